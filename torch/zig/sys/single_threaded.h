/* Stands in for glibc's header where zig compiles against GNU's C++ headers. Those ask whether the program has one thread
   yet, by a symbol of glibc 2.32, and take it for granted because the machine that builds has it. Here the answer is always
   no, so that the program runs on an older glibc; a shared pointer then always counts atomically. */
static const char __libc_single_threaded = 0;
