//! Key files and keys in text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::key::{Form, LONGEST, LONGEST_TEXT, read, weakness, write};

fuzz_target!(|data: &[u8]| {
    let _ = weakness(data);
    let mut key = [0; LONGEST];
    let Ok(size) = read(data, &mut key) else { return };
    let key = &key[..size.bytes()];
    let _ = weakness(key);
    for form in [Form::Raw, Form::Base64, Form::Hex] {
        let mut text = [0; LONGEST_TEXT];
        let length = write(form, key, &mut text).unwrap();
        let mut back = [0; LONGEST];
        assert_eq!(read(&text[..length], &mut back), Ok(size));
        assert_eq!(&back[..size.bytes()], key);
    }
});
