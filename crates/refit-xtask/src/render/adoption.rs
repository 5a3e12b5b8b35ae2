//! Rendering of a history to adopt.

use crate::adopt::{Proof, Takeover};
use crate::output::{BAD, GOOD, WARN};
use crate::styled::{Text, text};

/// The rows, with what proves that each is of its file.
pub(crate) fn adoption(takeover: &Takeover) -> Text {
    let mut text = Text::from(format!("history of {}", takeover.tool));
    let proven = takeover.rows.iter().map(|row| {
        let words = match row.proof {
            Proof::SameText => GOOD.of("same text"),
            Proof::NoChecksum => WARN.of("no checksum"),
            Proof::Differs => BAD.of("differs"),
        };
        (words, &row.stem)
    });
    let unmatched = takeover.unmatched.iter().map(|row| (BAD.of("no match"), row));
    for (words, row) in proven.chain(unmatched) {
        text.push(text!["\n  ", words, "  ", row]);
    }
    if takeover.rows.is_empty() && takeover.unmatched.is_empty() {
        text.push(": nothing to adopt");
    }
    text
}
