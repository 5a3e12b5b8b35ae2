//! How every payload of the model is declared: documented fields, nothing in the serialised form that has its default.

/// A struct whose fields are left out of the serialised form while they have their default.
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

/// A [`record!`] of an object of its own: with a comment, an owner, privileges and security labels.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        crate::record::record! {
            $(#[$meta])*
            $name {
                $($(#[$about])* $field: $type,)*
                /// COMMENT ON.
                comment: String,
                /// The owner, where [`Owners`](crate::Owners) has it told.
                owner: String,
                /// Privileges, as the difference to the default.
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

/// What every object has.
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

/// Whether there is nothing to say.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
