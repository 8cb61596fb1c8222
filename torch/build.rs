//! Compiles what tch does not expose of libtorch. And lets the binary find libtorch where it was built against it, or where
//! AUTODENOISE_TORCH_RUNPATH says: a program that is built for other machines finds PyTorch relative to itself ($ORIGIN), and
//! knows nothing of the folders of this one. LD_LIBRARY_PATH still comes first, so that the same binary runs with another copy
//! of PyTorch 2.11.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=native/libtorch.cpp");
    println!("cargo:rerun-if-env-changed=AUTODENOISE_TORCH_RUNPATH");
    compile_native();
    if let Ok(runpath) = env::var("AUTODENOISE_TORCH_RUNPATH") {
        println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{runpath}");
        return;
    }
    let Some(libtorch) = env::var_os("LIBTORCH") else { return };
    // libtorch_cpu.so finds its own neighbours relative to its real folder, so that is the one to name.
    if let Ok(library) = Path::new(&libtorch).join("lib/libtorch_cpu.so").canonicalize()
        && let Some(folder) = library.parent()
    {
        println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{}", folder.display());
        println!("cargo:rustc-env=AUTODENOISE_BUILT_TORCH_LIB={}", folder.display());
    }
}

/// With the flags that tch's own part is compiled with.
fn compile_native() {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").pic(true).warnings(false).file("native/libtorch.cpp");
    if let Some(libtorch) = env::var_os("LIBTORCH") {
        build.include(Path::new(&libtorch).join("include"));
    }
    build.compile("autodenoise_native");
}
