#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| autodenoise_fuzz::reader_event(bytes));
