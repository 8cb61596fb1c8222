//! CUDA graphs: work that a GPU was given once, kept, and given again in one go. `native/cuda_graph.cpp` is a library of its own that is
//! opened beside libtorch's CUDA part, so that the program needs neither. No GPU was at hand: this was compiled, and never run.

use crate::device::{error_of_dlopen, open_library};
use crate::native::message_of;
use std::{
    ffi::{CStr, c_char, c_void},
    path::PathBuf,
    sync::OnceLock,
};

/// The library, where it stands beside the program.
const LIBRARY: &str = "libautodenoise_cuda.so";

/// A graph as the other side knows it.
#[repr(C)]
struct There {
    _private: [u8; 0],
}

type Work = unsafe extern "C" fn(*mut There) -> *mut c_char;

/// The library's functions.
struct Library {
    new: unsafe extern "C" fn(i8, *mut *mut There) -> *mut c_char,
    enter: Work,
    leave: Work,
    begin: Work,
    end: Work,
    replay: Work,
    destroy: unsafe extern "C" fn(*mut There),
}

/// Whether there can be graphs; libtorch's CUDA part is open. The reason if not.
pub fn check() -> Result<(), String> {
    library().map(drop)
}

fn library() -> Result<&'static Library, String> {
    static LOADED: OnceLock<Result<Library, String>> = OnceLock::new();
    LOADED.get_or_init(load).as_ref().map_err(String::clone)
}

/// The one beside the program, then the one that was built with it.
fn load() -> Result<Library, String> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(LIBRARY)));
    let built = option_env!("AUTODENOISE_BUILT_CUDA_GRAPH").map(PathBuf::from);
    let place = beside.into_iter().chain(built).find(|place| place.exists());
    let place = place.ok_or_else(|| format!("there is no {LIBRARY}: it was built without CUDA's headers"))?;
    let handle = open_library(place.as_os_str())?;
    let symbol = |name: &CStr| {
        // SAFETY: a library that stays open, and a C string.
        let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
        if address.is_null() { Err(error_of_dlopen()) } else { Ok(address) }
    };
    // SAFETY: functions of cuda_graph.cpp, with the signatures that they have there.
    unsafe {
        let work = |name: &CStr| Ok::<_, String>(std::mem::transmute::<*mut c_void, Work>(symbol(name)?));
        Ok(Library {
            new: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(i8, *mut *mut There) -> *mut c_char>(symbol(
                c"autodenoise_graph_new",
            )?),
            enter: work(c"autodenoise_graph_enter")?,
            leave: work(c"autodenoise_graph_leave")?,
            begin: work(c"autodenoise_graph_begin")?,
            end: work(c"autodenoise_graph_end")?,
            replay: work(c"autodenoise_graph_replay")?,
            destroy: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut There)>(symbol(
                c"autodenoise_graph_destroy",
            )?),
        })
    }
}

/// The graph of some work on a GPU.
pub struct CudaGraph {
    library: &'static Library,
    there: *mut There,
}

// SAFETY: nothing of it belongs to a thread, and it is used by one at a time.
unsafe impl Send for CudaGraph {}

impl CudaGraph {
    /// Without work, for the GPU of this number.
    pub fn new(gpu: usize) -> Result<Self, String> {
        let library = library()?;
        let mut there = std::ptr::null_mut();
        // SAFETY: writes one pointer.
        message_of(unsafe { (library.new)(gpu as i8, &raw mut there) })?;
        Ok(Self { library, there })
    }

    /// Does work on the graph's own stream, as it is done when it is kept: what libtorch makes ready for a stream, it makes then.
    pub fn warm_up<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, String> {
        self.call(self.library.enter)?;
        let done = work();
        self.call(self.library.leave)?;
        Ok(done)
    }

    /// Keeps work without doing it. What it returns is what each replay writes.
    pub fn capture<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, String> {
        self.call(self.library.enter)?;
        let kept = self.keep(work);
        self.call(self.library.leave)?;
        kept
    }

    fn keep<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, String> {
        self.call(self.library.begin)?;
        // tch panics where libtorch throws, as it does at whatever a capture does not allow. Nothing was done then, so the work's own
        // state is as it was.
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let ended = self.call(self.library.end);
        let kept = kept.map_err(|panic| match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => (*panic.downcast::<&str>().unwrap_or(Box::new("the work panicked"))).to_owned(),
        })?;
        ended.map(|()| kept)
    }

    /// Does the work that was kept once more.
    pub fn replay(&mut self) -> Result<(), String> {
        self.call(self.library.replay)
    }

    fn call(&self, work: Work) -> Result<(), String> {
        // SAFETY: a graph that `autodenoise_graph_new` made and `drop` has not ended.
        message_of(unsafe { work(self.there) })
    }
}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { (self.library.destroy)(self.there) }
    }
}

#[cfg(test)]
pub mod fake {
    //! A library that does no more than to write down what it was asked for. Whatever is captured with it is done, once.

    use super::{CudaGraph, Library, There};
    use std::{cell::RefCell, ffi::c_char};

    thread_local! {
        static ASKED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    /// What this thread asked for since the last call.
    pub fn asked() -> Vec<&'static str> {
        ASKED.take()
    }

    fn write_down(what: &'static str) -> *mut c_char {
        ASKED.with_borrow_mut(|asked| asked.push(what));
        std::ptr::null_mut()
    }

    unsafe extern "C" fn new(_: i8, _: *mut *mut There) -> *mut c_char {
        std::ptr::null_mut()
    }
    unsafe extern "C" fn enter(_: *mut There) -> *mut c_char {
        write_down("enter")
    }
    unsafe extern "C" fn leave(_: *mut There) -> *mut c_char {
        write_down("leave")
    }
    unsafe extern "C" fn begin(_: *mut There) -> *mut c_char {
        write_down("begin")
    }
    unsafe extern "C" fn end(_: *mut There) -> *mut c_char {
        write_down("end")
    }
    unsafe extern "C" fn replay(_: *mut There) -> *mut c_char {
        write_down("replay")
    }
    unsafe extern "C" fn refuse(_: *mut There) -> *mut c_char {
        write_down("replay, which fails");
        // SAFETY: a C string; whoever reads it frees it.
        unsafe { libc::strdup(c"no replay".as_ptr()) }
    }
    unsafe extern "C" fn destroy(_: *mut There) {}

    static WILLING: Library = Library { new, enter, leave, begin, end, replay, destroy };
    static UNWILLING: Library = Library { new, enter, leave, begin, end, replay: refuse, destroy };

    pub fn graph() -> CudaGraph {
        CudaGraph { library: &WILLING, there: std::ptr::null_mut() }
    }

    /// One that cannot be replayed.
    pub fn unwilling_graph() -> CudaGraph {
        CudaGraph { library: &UNWILLING, there: std::ptr::null_mut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_libtorch_s_cuda_part_there_are_no_graphs_and_the_reason_is_told() {
        if crate::open_device(autodenoise::types::Device::Cuda(0)).is_ok() {
            return;
        }
        let reason = check().unwrap_err();
        assert!(reason.contains(LIBRARY), "{reason}");
        assert_eq!(CudaGraph::new(0).map(drop), Err(reason));
    }

    #[test]
    fn a_capture_that_fails_is_ended_and_the_stream_is_left() {
        let mut graph = fake::graph();
        assert_eq!(graph.capture(|| 7), Ok(7));
        assert_eq!(fake::asked(), ["enter", "begin", "end", "leave"]);
        let failed: Result<(), _> = graph.capture(|| panic!("{} is not allowed", "reading back"));
        assert_eq!(failed, Err("reading back is not allowed".to_owned()));
        assert_eq!(fake::asked(), ["enter", "begin", "end", "leave"]);
        assert_eq!(graph.warm_up(|| 8), Ok(8));
        assert_eq!(fake::asked(), ["enter", "leave"]);
    }
}
