//! The server's own hash of a text, so that the server can sum hashes instead of sending the texts.

/// The value of `hashtextextended(text COLLATE "C", 0)` on PostgreSQL 11 and later, on a little-endian machine: Bob
/// Jenkins' lookup3 as in `src/common/hashfn.c`. The server keeps it stable, since hash partitions rely on it.
///
/// ```
/// assert_eq!(refit_model::server_hash("refit"), 4270849047515202703);
/// ```
pub fn server_hash(text: &str) -> i64 {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let start = 0x9e37_79b9_u32.wrapping_add(length).wrapping_add(3_923_095);
    let mut state = [start; 3];
    let mut chunks = text.as_bytes().chunks_exact(12);
    for chunk in &mut chunks {
        for (word, bytes) in state.iter_mut().zip(chunk.chunks_exact(4)) {
            *word = word.wrapping_add(little(bytes));
        }
        mix(&mut state);
    }
    let rest = chunks.remainder();
    let [a, b, c] = &mut state;
    *a = a.wrapping_add(little(rest.get(..4.min(rest.len())).unwrap_or_default()));
    *b = b.wrapping_add(little(rest.get(4..8.min(rest.len())).unwrap_or_default()));
    // The lowest byte of the last word is reserved for the length.
    *c = c.wrapping_add(little(rest.get(8..).unwrap_or_default()) << 8);
    finish(&mut state);
    let [_, b, c] = state;
    i64::from_ne_bytes((u64::from(b) << 32 | u64::from(c)).to_ne_bytes())
}

fn little(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn mix(words: &mut [u32; 3]) {
    for (turn, rotation) in [4, 6, 8, 16, 19, 4].into_iter().enumerate() {
        let (x, y, z) = (turn % 3, (turn + 1) % 3, (turn + 2) % 3);
        words[x] = words[x].wrapping_sub(words[z]) ^ words[z].rotate_left(rotation);
        words[z] = words[z].wrapping_add(words[y]);
    }
}

fn finish([a, b, c]: &mut [u32; 3]) {
    let step =
        |word: &mut u32, by: u32, rotation: u32| *word = (*word ^ by).wrapping_sub(by.rotate_left(rotation));
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 15 gives them.
    #[test]
    fn texts_have_the_hash_that_the_server_gives() {
        for (text, hash) in [
            ("", -6939563903564495251),
            ("a", 3591986179850072241),
            ("abcd", -1038429303365892052),
            ("abcdefgh", -8882191227074733005),
            ("abcdefghijkl", -7556637188122330412),
            ("abcdefghijklm", 8871624171452417744),
            ("7133495778627144661", -3083593713875058360),
            ("Übersicht über 24 bytes oder mehr", 7905287417310947184),
        ] {
            assert_eq!(server_hash(text), hash, "{text}");
        }
    }
}
