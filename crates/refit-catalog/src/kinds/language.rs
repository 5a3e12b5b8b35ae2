//! Procedural languages that are not members of an extension.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "languages",
    class: class::LANGUAGE,
    on: On::Language,
    probe: Some("pg_language WHERE oid >= 16384"),
    sql,
    properties: &["handler", "inline", "validator", "trusted"],
    map: |catalog| &mut catalog.languages,
};

fn sql(_version: u32) -> String {
    "SELECT oid, 0::oid, lanname, '', lanowner, lanacl::text[],
            CASE WHEN lanplcallfoid <> 0 THEN lanplcallfoid::regproc::text END,
            CASE WHEN laninline <> 0 THEN laninline::regproc::text END,
            CASE WHEN lanvalidator <> 0 THEN lanvalidator::regproc::text END,
            CASE WHEN lanpltrusted THEN 'true' END, NULL::text[]
     FROM pg_language WHERE oid >= 16384"
        .into()
}
