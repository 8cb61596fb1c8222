//! Compiles what tch does not expose of libtorch. And lets the binary find libtorch where it was built against it, or where
//! AUTODENOISE_TORCH_RUNPATH says: a program that is built for other machines finds PyTorch relative to itself ($ORIGIN), and
//! knows nothing of the folders of this one. LD_LIBRARY_PATH still comes first, so that the same binary runs with another copy
//! of PyTorch 2.11.
//!
//! Where LIBTORCH is a CUDA build and CUDA's headers are found (beside it, as pip lays them out, or in CUDA_HOME), the library with the CUDA
//! graph is compiled too. The program links nothing of it: it is opened at run time.

use std::path::{Path, PathBuf};
use std::{env, process::Command};

const GRAPH: &str = "native/cuda_graph.cpp";

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=native/libtorch.cpp");
    println!("cargo:rerun-if-changed=native/guarded.h");
    println!("cargo:rerun-if-changed={GRAPH}");
    println!("cargo:rerun-if-env-changed=CUDA_HOME");
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
        if let Some(library) = compile_graph(folder) {
            println!("cargo:rustc-env=AUTODENOISE_BUILT_CUDA_GRAPH={}", library.display());
        }
    }
}

/// With the flags that tch's own part is compiled with.
fn compile_native() {
    cpp().file("native/libtorch.cpp").compile("autodenoise_native");
}

fn cpp() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").pic(true).warnings(false);
    if let Some(libtorch) = env::var_os("LIBTORCH") {
        build.include(Path::new(&libtorch).join("include"));
    }
    build
}

/// The library with the CUDA graph, for the libtorch of this folder. Its symbols of libtorch are resolved when it is opened.
fn compile_graph(libtorch: &Path) -> Option<PathBuf> {
    let nvidia = libtorch.join("../../nvidia");
    if nvidia.exists() {
        println!("cargo:rerun-if-changed={}", nvidia.display());
    }
    let headers = cuda_headers(&nvidia);
    let is_there = |header: &str| headers.iter().any(|folder| folder.join(header).exists());
    let needed = ["cuda_runtime_api.h", "crt/host_defines.h"];
    if !libtorch.join("libtorch_cuda.so").exists() || !needed.into_iter().all(is_there) {
        return None;
    }
    let library = PathBuf::from(env::var_os("OUT_DIR")?).join("libautodenoise_cuda.so");
    let mut command: Command = cpp().includes(headers).get_compiler().to_command();
    match command.arg("-shared").arg("-o").arg(&library).arg(GRAPH).output() {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => without_graph(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default()),
        Err(error) => without_graph(&error.to_string()),
    }
}

/// Folders where CUDA's headers may be, given that of pip's packages.
fn cuda_headers(nvidia: &Path) -> Vec<PathBuf> {
    let packages = std::fs::read_dir(nvidia).into_iter().flatten().flatten().map(|package| package.path());
    let home = env::var_os("CUDA_HOME").map(PathBuf::from);
    packages.chain(home).map(|folder| folder.join("include")).filter(|folder| folder.exists()).collect()
}

fn without_graph(reason: &str) -> Option<PathBuf> {
    println!("cargo:warning={GRAPH} does not compile, so there will be no CUDA graphs: {reason}");
    None
}
