//! Versions and names for the files of a sequence.

use refit_model::Version;

use super::SequenceFile;

/// No version can be inserted after this one.
const LAST: Version = Version::MAX - 1_000_000;

/// A file of a sequence with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedFile {
    /// Its version.
    pub version: Version,
    /// The text, with `after` if it waits for the previous file.
    pub text: String,
    name: String,
    width: usize,
}

impl NumberedFile {
    /// The version as files write it: `V0012`.
    pub fn label(&self) -> String {
        format!("V{version:0width$}", version = self.version, width = self.width)
    }

    /// The file name: `V0012__add_status.sql`.
    pub fn file_name(&self) -> String {
        format!("{}__{}.sql", self.label(), self.name)
    }
}

/// Numbers the files of a sequence from `first` on, with `width` digits. A gated file waits for the one before it.
///
/// # Errors
///
/// If there are no versions left.
pub fn numbered(first: Version, width: usize, files: &[SequenceFile]) -> Result<Vec<NumberedFile>, String> {
    if first > LAST {
        return Err("there are no versions left after it".to_owned());
    }
    let mut version = first;
    let mut numbered: Vec<NumberedFile> = Vec::with_capacity(files.len());
    for SequenceFile { name, text, gated } in files {
        let text = match numbered.last() {
            Some(before) if *gated => format!("-- refit: after = [\"{}\"]\n{text}", before.label()),
            _ => text.clone(),
        };
        numbered.push(NumberedFile { version, text, name: name.clone(), width });
        version = next_version(version);
    }
    Ok(numbered)
}

/// The version after a given one: the next number; for a version that is a UTC timestamp, the next second.
pub fn next_version(version: Version) -> Version {
    let is_stamp = (19_000_101_000_000..=99_991_231_235_959).contains(&version);
    match is_stamp {
        true if version % 100 < 59 => version + 1,
        true if version / 100 % 100 < 59 => version - version % 100 + 100,
        true if version / 10_000 % 100 < 23 => version - version % 10_000 + 10_000,
        // After midnight: the next day if every month has it, else the first of the next month.
        true if version / 1_000_000 % 100 < 28 => version - version % 1_000_000 + 1_000_000,
        true if version / 100_000_000 % 100 < 12 => version - version % 100_000_000 + 101_000_000,
        true => (version / 10_000_000_000 + 1) * 10_000_000_000 + 101_000_000,
        false => version.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_comes_after_another() {
        for (version, next) in [
            (4, 5),
            (20_261_120_143_000, 20_261_120_143_001),
            (20_261_120_143_059, 20_261_120_143_100),
            (20_261_120_145_959, 20_261_120_150_000),
            (20_261_120_235_959, 20_261_121_000_000),
            (20_261_130_235_959, 20_261_201_000_000),
            (20_261_231_235_959, 20_270_101_000_000),
        ] {
            assert_eq!(next_version(version), next, "{version}");
        }
    }

    #[test]
    fn a_gated_file_waits_for_the_one_before_it() {
        let file =
            |name: &str, gated| SequenceFile { name: name.to_owned(), text: "SELECT 1;\n".to_owned(), gated };
        let files = numbered(9, 2, &[file("fill", false), file("check", true), file("rest", false)]).unwrap();
        let named: Vec<(String, &str)> = files.iter().map(|file| (file.file_name(), &*file.text)).collect();
        assert_eq!(
            named,
            [
                ("V09__fill.sql".to_owned(), "SELECT 1;\n"),
                ("V10__check.sql".to_owned(), "-- refit: after = [\"V09\"]\nSELECT 1;\n"),
                ("V11__rest.sql".to_owned(), "SELECT 1;\n")
            ]
        );
        assert!(numbered(Version::MAX, 2, &[file("fill", false)]).is_err());
    }
}
