//! What every object has: comment, owner, privileges.

use refit_catalog::Grants;

use super::grants;
use crate::names::{comment, sql};
use crate::plan::{Phase, Plan};

/// The common fields of an object.
#[derive(Clone, Copy)]
pub(super) struct Tail<'a> {
    pub(super) comment: &'a str,
    pub(super) owner: &'a str,
    pub(super) grants: &'a Grants,
}

/// The fields of an object as a [`Tail`].
macro_rules! tail {
    ($object:expr) => {
        crate::objects::tail::Tail {
            comment: &$object.comment,
            owner: &$object.owner,
            grants: &$object.grants,
        }
    };
}
pub(super) use tail;

/// Drafts the common fields of an object; `noun` is its kind as in COMMENT ON, `name` is SQL, `before` is missing for a new one.
pub(super) fn draft(noun: &str, name: &str, before: Option<Tail<'_>>, after: Tail<'_>, plan: &mut Plan) {
    let object = format!("{} {name}", noun.to_lowercase());
    if before.map_or("", |before| before.comment) != after.comment {
        plan.add(Phase::Comments, &object, format!("COMMENT ON {noun} {name} IS {}", comment(after.comment)));
    }
    if before.map_or("", |before| before.owner) != after.owner {
        // The catalog leaves out the owner whom most objects have.
        let owner = if after.owner.is_empty() { "CURRENT_USER".to_owned() } else { sql(after.owner) };
        plan.add(Phase::Properties, &object, format!("ALTER {noun} {name} OWNER TO {owner}"));
    }
    let none = Grants::new();
    grants::draft(noun, name, before.map_or(&none, |before| before.grants), after.grants, plan);
}

/// Drafts DEPENDS ON EXTENSION. `what` is the object with its kind, as SQL.
pub(super) fn depends(what: &str, object: &str, before: &[String], after: &[String], plan: &mut Plan) {
    for extension in after.iter().filter(|one| !before.contains(one)) {
        plan.add(Phase::Properties, object, format!("ALTER {what} DEPENDS ON EXTENSION {}", sql(extension)));
    }
    for extension in before.iter().filter(|one| !after.contains(one)) {
        plan.add(
            Phase::Properties,
            object,
            format!("ALTER {what} NO DEPENDS ON EXTENSION {}", sql(extension)),
        );
    }
}
