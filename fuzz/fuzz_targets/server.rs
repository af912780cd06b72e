#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(token) = reference_server::entry::authorization(data) {
        assert!(!token.contains(' '));
    }
    let _ = reference_server::entry::form(data);
    let _ = reference_server::entry::query(data);
    let _ = reference_server::entry::first_message(&String::from_utf8_lossy(data));
});
