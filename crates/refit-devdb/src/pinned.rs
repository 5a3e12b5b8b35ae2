//! The npm packages that may be fetched: one version for each platform and major version, with its archive's hash.
//!
//! `pinned.json` lists them. A hash has the form of the registry's `dist.integrity`: `sha512-` and base64.
//! *Invariant*: an archive is unpacked only after [`Pinned::verify`] has accepted its bytes.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sha2::{Digest, Sha512};

const PINNED: &str = include_str!("pinned.json");

/// Packages by npm's name of the platform and by major version.
type Packages = BTreeMap<String, BTreeMap<u32, Pinned>>;

/// One version of a platform's package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Pinned {
    pub(crate) version: String,
    /// `sha512-` and the base64 encoding of the archive's hash.
    integrity: String,
}

impl Pinned {
    /// The package of a major version for a platform, or why there is none.
    pub(crate) fn of(platform: &str, major: u32) -> Result<Pinned, String> {
        let mut packages: Packages = serde_json::from_str(PINNED)
            .map_err(|error| format!("cannot parse pinned.json of refit-devdb: {error}"))?;
        let mut versions = packages.remove(platform).unwrap_or_default();
        versions.remove(&major).ok_or_else(|| {
            let known: Vec<String> = versions.keys().map(u32::to_string).collect();
            match known.is_empty() {
                true => format!("no package for {platform} is pinned"),
                false => format!(
                    "no package of PostgreSQL {major} for {platform} is pinned, only of {}",
                    known.join(", ")
                ),
            }
        })
    }

    /// The name of the folder that holds the unpacked archive. It contains the hash, so that folders of other archives, or
    /// from before hashes were compared, are not used.
    pub(crate) fn folder(&self) -> String {
        let hash = self.integrity.bytes().filter(u8::is_ascii_alphanumeric).skip("sha512".len()).take(16);
        format!("{}-{}", self.version, hash.map(char::from).collect::<String>())
    }

    /// Compares an archive with the pinned hash.
    pub(crate) fn verify(&self, archive: &[u8]) -> Result<(), String> {
        let found = format!("sha512-{}", STANDARD.encode(Sha512::digest(archive)));
        if found == self.integrity {
            return Ok(());
        }
        Err(format!(
            "the archive of version {} has the hash {found}, but {} is pinned; nothing was unpacked; \
             run `npm cache clean --force` and try again; if the hash still differs, the registry that \
             `npm config get registry` names serves another archive: use another registry, or install PostgreSQL",
            self.version, self.integrity
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_version_is_pinned() {
        let packages: Packages = serde_json::from_str(PINNED).unwrap();
        assert!(packages.contains_key("linux-x64") && packages.contains_key("darwin-arm64"));
        for (platform, versions) in packages {
            for major in 14..=18 {
                // The registry has no package of PostgreSQL 14 for most platforms.
                assert!(versions.contains_key(&major) || major == 14, "{platform} lacks {major}");
            }
            for (major, pinned) in versions {
                assert!(pinned.version.starts_with(&format!("{major}.")), "{platform} {major}");
                let hash = pinned.integrity.strip_prefix("sha512-").unwrap();
                assert_eq!(STANDARD.decode(hash).unwrap().len(), 64, "{platform} {major}");
            }
        }
        let error = Pinned::of("linux-x64", 9).unwrap_err();
        assert!(error.contains("14, 15, 16, 17, 18"), "{error}");
        assert!(Pinned::of("plan9-mips", 18).unwrap_err().contains("plan9-mips"));
    }

    #[test]
    fn one_changed_bit_is_refused() {
        let mut archive = include_bytes!("pinned.json").to_vec();
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(&archive)));
        let pinned = Pinned { version: "18.4.0".to_owned(), integrity: integrity.clone() };
        pinned.verify(&archive).unwrap();
        // The hash of the empty input.
        let empty =
            "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        Pinned { version: "0".to_owned(), integrity: empty.to_owned() }.verify(&[]).unwrap();
        archive[100] ^= 1;
        let error = pinned.verify(&archive).unwrap_err();
        assert!(error.contains(&integrity) && error.contains("npm cache clean"), "{error}");
        assert!(pinned.verify(&[]).is_err());
    }
}
