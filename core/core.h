/* What every part of the core shares: integer types, and the answers that a caller can get. */
#ifndef CORE_H
#define CORE_H

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

enum {
    MOST_AXES = 4,
    MOST_SCALES = 16,
    MOST_COLOURS = 255,
    MOST_NODES = 1 << 28, /* of one signal, all subbands together */
    LARGEST_VALUE = 1 << 29,
};

/* Once in the module, however often it is called; and small, where it is called seldom. V8 compiles a function well only
 * after it has run for a while, on another thread, and turns to that code at its next call. So what takes long is in
 * functions that are small, and soon compiled, and called often. */
#define ONCE __attribute__((noinline))
#define SELDOM __attribute__((noinline, minsize))

/* Answers of the entry points; hosts turn every one but CORE_FINE into an error of their own. */
enum {
    CORE_FINE = 0,
    CORE_BAD_DESCRIPTION = 1, /* a field of the description is out of its range */
    CORE_NO_MEMORY = 2,       /* the memory that the host allows is too small for this signal */
    CORE_TRUNCATED = 3,       /* the coded bytes end before the last integer */
    CORE_LEFT_OVER = 4,       /* coded bytes are left over after the last integer */
    CORE_OUT_OF_RANGE = 5,    /* an integer is larger than 2^29 either way */
    CORE_NOT_PREPARED = 6,    /* no description has been accepted, or no coded bytes were announced */
    CORE_TOO_MUCH_WORK = 7,   /* the work that the host allows is too little for this signal */
    CORE_BAD_NETWORK = 8,     /* the words of the network are not as many as it has, or out of their range */
    CORE_BAD_GRID = 9,        /* more than 2^28 coordinates along an axis or in a row, or none */
    CORE_DAMAGED = 10,        /* the payload of a network is not what an encoder writes */
};

#endif
