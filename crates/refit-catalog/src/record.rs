//! Macros that declare the types of the model: documented fields, with defaults omitted from the serialized form.

/// A struct whose fields are omitted from the serialized form if they have their default.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$about])* #[serde(skip_serializing_if = "crate::record::is_default")] pub $field: $type,)*
        }
    };
}

/// A [`record!`] for an object with a comment, an owner, privileges and security labels.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        crate::record::record! {
            $(#[$meta])*
            $name {
                $($(#[$about])* $field: $type,)*
                /// COMMENT ON.
                comment: String,
                /// The owner, if [`Owners`](crate::Owners) includes it.
                owner: String,
                /// Privileges, as the difference from the defaults.
                grants: crate::Grants,
                /// SECURITY LABEL, as `provider: label`.
                labels: Vec<String>,
            }
        }

        impl crate::record::Object for $name {
            fn tail(&self) -> crate::record::Tail<'_> {
                crate::record::Tail {
                    comment: &self.comment,
                    owner: &self.owner,
                    grants: &self.grants,
                    labels: &self.labels,
                }
            }
        }
    };
}

pub(crate) use {object, record};

/// The common fields of every object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail<'a> {
    pub(crate) comment: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) grants: &'a crate::Grants,
    pub(crate) labels: &'a [String],
}

/// A record with a [`Tail`].
pub(crate) trait Object: serde::Serialize {
    fn tail(&self) -> Tail<'_>;
}

/// Whether all fields have their default.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
