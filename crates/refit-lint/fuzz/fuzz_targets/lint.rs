//! Bytes in, findings out: no panic, no file lost, every place in its file. Form feeds separate files.
//!
//! A corpus to begin with: `cargo fuzz run lint corpus ../../tests/lint_cases`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_lint::{Config, Input, predict, lint};

fuzz_target!(|data: &[u8]| {
    let files = data.split(|byte| *byte == 0x0c).enumerate();
    let inputs: Vec<Input> = files
        .map(|(index, bytes)| Input {
            path: format!("V{index}__x.sql"),
            bytes: bytes.to_vec(),
            named_by_folder: true,
            reported: true,
        })
        .collect();
    let outcome = lint(&inputs, &Config::default());
    assert_eq!(outcome.summary.files, inputs.len());
    for finding in &outcome.findings {
        let input = inputs.iter().find(|input| input.path == finding.path);
        let text = input.map(Input::text).unwrap_or_default();
        let place = finding.span.start as usize..finding.span.end as usize;
        assert!(text.get(place).is_some(), "{finding:?}");
        assert!(!finding.message.contains("parser cannot handle"), "{finding:?}");
    }
    predict(&inputs, 17);
});
