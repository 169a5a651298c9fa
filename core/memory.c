#include "memory.h"

#ifdef __wasm__

extern u8 __heap_base;
static u64 start(void) { return (u64)(u32)&__heap_base; }
static u64 size(void) { return (u64)__builtin_wasm_memory_size(0) << 16; }
static int grow(u64 pages) { return pages < 65536 && __builtin_wasm_memory_grow(0, (u32)pages) != (__SIZE_TYPE__)-1; }
#define ADDRESS(n) ((u8 *)(u32)(n))

#else /* a shared library for profiling; the host never sees it */

#define NATIVE_BYTES (1ull << 30)
static u8 arena[NATIVE_BYTES] __attribute__((aligned(16)));
static u64 start(void) { return (u64)arena; }
static u64 size(void) { return (u64)arena + NATIVE_BYTES; }
static int grow(u64 pages) { (void)pages; return 0; }
#define ADDRESS(n) ((u8 *)(n))

#endif

static u64 end, touched; /* what lies beyond `touched` is still as the host gave it: zero */

void memory_reset(void) {
    if (end > touched) touched = end;
    end = (start() + 15) & ~15ull;
}

u64 memory_mark(void) { return end; }

void memory_return(u64 mark) {
    if (end > touched) touched = end;
    end = mark;
}

/* A mebibyte at a time if the host has it: growing takes longer than most of what it is for. */
enum { PAGES = 16 };

int memory_extend(u64 bytes) {
    if (bytes > 1ull << 32) return 0;
    if (end + bytes > size()) {
        u64 pages = (end + bytes - size() + 65535) >> 16;
        if (!(pages < PAGES && grow(PAGES)) && !grow(pages)) return 0;
    }
    end += bytes;
    return 1;
}

ONCE void *memory_take(u64 bytes) {
    u64 at = (end + 15) & ~15ull;
    if (bytes > 1ull << 32 || !memory_extend(at - end + bytes)) return 0;
    for (u64 byte = at; byte < at + bytes && byte < touched; byte++) *ADDRESS(byte) = 0;
    return ADDRESS(at);
}
