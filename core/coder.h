/* A binary range coder without carries: an interval [low, high] of 32 bits, whose leading bytes go out once they agree.
 *
 * A decision with probability p / 2^16 of being 1 splits the interval at middle = low + floor((high - low) p / 2^16);
 * 1 takes [low, middle], 0 the rest. A decoder reads zeros beyond the end, of which it never needs more than four. */
#ifndef CORE_CODER_H
#define CORE_CODER_H

#include "core.h"
#include "memory.h"

enum { CODER_BEYOND = 4, CODER_ROOM = 1 << 16 };

typedef struct {
    u32 low, high, code;
    u8 *bytes;
    u32 position, size; /* size: of what is there to be read, or of the room for what is written */
    u32 beyond;         /* bytes read after the end */
    i32 failed;         /* an answer other than CORE_FINE that stops the work */
    i64 work;           /* how much more may be done */
} Coder;

/* Say that work is about to be done, in units of a decision by one counter. Whoever adds a loop says so here. */
static inline void coder_work(Coder *coder, u32 work) {
    if ((coder->work -= work) < 0) coder->failed = CORE_TOO_MUCH_WORK;
}

static inline u32 coder_read(Coder *coder) {
    if (coder->position < coder->size) return coder->bytes[coder->position++];
    if (++coder->beyond > CODER_BEYOND) coder->failed = CORE_TRUNCATED;
    return 0;
}

static inline void coder_write(Coder *coder, u32 byte) {
    if (coder->position == coder->size) {
        if (!memory_extend(CODER_ROOM)) {
            coder->failed = CORE_NO_MEMORY;
            return;
        }
        coder->size += CODER_ROOM;
    }
    coder->bytes[coder->position++] = (u8)byte;
}

static inline void coder_begin(Coder *coder, u8 *bytes, u32 size, int decoding) {
    *coder = (Coder){.high = 0xffffffff, .bytes = bytes, .size = size, .work = coder->work};
    for (int byte = 0; decoding && byte < 4; byte++) coder->code = coder->code << 8 | coder_read(coder);
}

/* Code one decision; `bit` is read when encoding, and what is returned is the decision either way. */
static inline u32 coder_decide(Coder *coder, u32 probability, u32 bit, int decoding) {
    u32 middle = coder->low + (u32)((u64)(coder->high - coder->low) * probability >> 16);
    if (decoding) bit = coder->code <= middle;
    if (bit) coder->high = middle;
    else coder->low = middle + 1;
    while (!((coder->low ^ coder->high) & 0xff000000)) {
        if (decoding) coder->code = coder->code << 8 | coder_read(coder);
        else coder_write(coder, coder->high >> 24);
        coder->low <<= 8;
        coder->high = coder->high << 8 | 0xff;
    }
    return bit;
}

/* The fewest bytes that lie in the interval whatever follows them; with none, the rest reads as zeros. */
static inline u32 coder_last_bytes(const Coder *coder, u32 *value) {
    for (u32 bytes = 0;; bytes++) { /* four always do */
        u64 step = 1ull << (32 - 8 * bytes), rounded = (coder->low + step - 1) & ~(step - 1);
        *value = (u32)rounded;
        if (rounded <= coder->high) return bytes;
    }
}

/* End the code when encoding; when decoding, check that it ends where an encoder ends it. */
static inline i32 coder_end(Coder *coder, int decoding) {
    u32 value, bytes = coder_last_bytes(coder, &value);
    if (decoding && !coder->failed) {
        u32 expected = coder->position + coder->beyond - 4 + bytes;
        if (coder->size != expected) return coder->size < expected ? CORE_TRUNCATED : CORE_LEFT_OVER;
    }
    for (u32 byte = 0; !decoding && byte < bytes; byte++) coder_write(coder, value >> (24 - 8 * byte) & 0xff);
    return coder->failed;
}

#endif
