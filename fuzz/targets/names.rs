//! NAMEs, and the names of files in a keys directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::name::Name;
use stek::sys::directory::KeySets;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = Name::parse(text) {
        assert!(!text.contains('/') && !text.starts_with('.'));
        for slot in [0, 1, 10, 100] {
            let file = name.slot_file(slot);
            assert!(file.len() < 255);
            assert_eq!(Name::of_slot_file(&file), Some((text, slot)));
        }
    }
    if let Some((name, slot)) = Name::of_slot_file(text) {
        assert_eq!(Name::parse(name).unwrap().slot_file(slot), text);
    }
    let files: Vec<String> = text.lines().map(str::to_owned).collect();
    let sets = KeySets::of(&files);
    for name in sets.names() {
        assert!(sets.highest(&name).is_some());
    }
});
