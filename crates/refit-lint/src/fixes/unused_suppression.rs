//! `unused-suppression`: removes the line.

use super::Planned;
use crate::plan::{Plan, Site};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let (start, end) = (site.finding.span.start as usize, site.finding.span.end as usize);
    let others = site.text[start..end].split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    if others.is_some_and(|(rules, _)| rules.contains(',')) {
        return Err("it allows several rules: remove the unused one".to_owned());
    }
    let line = site.text[..start].rfind('\n').map_or(0, |end| end + 1);
    let alone = site.text[line..start].trim().is_empty();
    let (from, until) = match alone {
        true => (line, site.text[end..].find('\n').map_or(site.text.len(), |next| end + next + 1)),
        false => (line + site.text[line..start].trim_end().len(), end),
    };
    Ok(Plan::Text(format!("{}{}", &site.text[..from], &site.text[until..])))
}
