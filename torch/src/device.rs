//! Which device a job runs on. The program links only the CPU part of libtorch; the CUDA part is opened at run time, by
//! the jobs that ask for a GPU.

use autodenoise::backbone::DeviceMemory;
use autodenoise::types;
use std::{
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};
use tch::{Cuda, Device};

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(
        "{device} was asked for, but PyTorch's CUDA part cannot be loaded ({reason}); run the job with device cpu or auto, or put the folder of libtorch_cuda.so into LD_LIBRARY_PATH"
    )]
    NoCuda { device: types::Device, reason: String },
    #[error("{device} was asked for, but this machine has {count} usable GPUs; run the job with device cpu or auto")]
    NoSuchGpu { device: types::Device, count: i64 },
}

/// The device of this name; `auto` is the first GPU where there is one.
pub fn open(wanted: types::Device) -> Result<Device, DeviceError> {
    match wanted {
        types::Device::Cpu => Ok(Device::Cpu),
        types::Device::Auto => match load_cuda() {
            Ok(()) if Cuda::device_count() > 0 => Ok(Device::Cuda(0)),
            _ => Ok(Device::Cpu),
        },
        types::Device::Cuda(number) => {
            load_cuda().map_err(|reason| DeviceError::NoCuda { device: wanted, reason })?;
            let count = Cuda::device_count();
            if i64::from(number) < count {
                Ok(Device::Cuda(number as usize))
            } else {
                Err(DeviceError::NoSuchGpu { device: wanted, count })
            }
        }
    }
}

/// Opens libtorch_cuda.so: the one of LD_LIBRARY_PATH or beside the loaded libtorch_cpu.so, then the one beside the
/// libtorch the program was built with. Without a driver nothing is opened: loading costs seconds and gigabytes.
fn load_cuda() -> Result<(), String> {
    if !PathBuf::from("/dev/nvidiactl").exists() && !PathBuf::from("/dev/dxg").exists() {
        return Err("there is no NVIDIA driver".to_owned());
    }
    let mut places = Vec::new();
    places.extend(folder_of_libtorch().map(|folder| folder.join("libtorch_cuda.so")));
    places.extend(
        option_env!("AUTODENOISE_BUILT_TORCH_LIB").map(|folder| PathBuf::from(folder).join("libtorch_cuda.so")),
    );
    places.push(PathBuf::from("libtorch_cuda.so"));
    let mut reasons = Vec::new();
    for place in places {
        match open_library(place.as_os_str()) {
            Ok(_) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    reasons.dedup();
    Err(reasons.join("; "))
}

/// Memory of a GPU, where libtorch's CUDA part is open and the driver answers.
pub fn memory(number: usize) -> Option<DeviceMemory> {
    type Ask = unsafe extern "C" fn(*mut usize, *mut usize) -> libc::c_int;
    type Get = unsafe extern "C" fn(*mut libc::c_int) -> libc::c_int;
    type Set = unsafe extern "C" fn(libc::c_int) -> libc::c_int;
    let [ask, get, set] = [c"cudaMemGetInfo", c"cudaGetDevice", c"cudaSetDevice"].map(symbol);
    // SAFETY: functions of CUDA's runtime with these signatures, as its documentation has them.
    let (ask, get, set) = unsafe {
        (
            std::mem::transmute::<*mut libc::c_void, Ask>(ask?),
            std::mem::transmute::<*mut libc::c_void, Get>(get?),
            std::mem::transmute::<*mut libc::c_void, Set>(set?),
        )
    };
    let (mut before, mut free, mut total) = (0, 0, 0);
    // SAFETY: they write numbers of this function's own; the thread's device is as it was when it returns.
    let answered = unsafe {
        let chosen = get(&raw mut before) == 0 && set(number as libc::c_int) == 0;
        let answered = chosen && ask(&raw mut free, &raw mut total) == 0;
        set(before);
        answered
    };
    answered.then_some(DeviceMemory { free: free as u64, total: total as u64 })
}

/// A function of a library that is open.
fn symbol(name: &CStr) -> Option<*mut libc::c_void> {
    // SAFETY: a C string; the answer is an address or null.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// Opens a library for the life of the process.
pub fn open_library(path: &OsStr) -> Result<*mut libc::c_void, String> {
    let path = CString::new(path.as_bytes()).map_err(|_| "a library path holds a zero byte".to_owned())?;
    // SAFETY: a valid C string.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() { Err(error_of_dlopen()) } else { Ok(handle) }
}

/// What went wrong in this thread's last call of the dynamic loader.
pub fn error_of_dlopen() -> String {
    // SAFETY: dlerror returns null or a C string that is valid until the next call of this thread.
    let error = unsafe { libc::dlerror() };
    if error.is_null() {
        return "unknown error of dlopen".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned()
}

/// The real folder of the libtorch_cpu.so this process runs on.
fn folder_of_libtorch() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    let path = PathBuf::from(&line[line.find('/')?..]);
    path.parent().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_an_absent_gpu_is_named() {
        assert_eq!(open(types::Device::Cpu).unwrap(), Device::Cpu);
        assert_eq!(memory(1000), None);
        let error = open(types::Device::Cuda(1000)).unwrap_err().to_string();
        assert!(error.starts_with("cuda:1000 was asked for"), "{error}");
        assert!(error.contains("device cpu"), "{error}");
    }
}
