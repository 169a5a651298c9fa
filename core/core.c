/* The entry points. A host writes a description, prepares, puts integers or coded bytes in place, and calls. */
#include "core.h"

#include "layout.h"
#include "memory.h"
#include "pixels.h"
#include "subbands.h"

#define EXPORT(name) __attribute__((export_name(#name), visibility("default"))) name

static Description description;
static Layout layout;
static Coder coder;
static Levels levels;
static i32 *integers;
static u8 *coded;
static u32 coded_size;
static u32 *network;
static u32 network_words;
static u32 allowed; /* units of 2^10; 0: whatever is needed, which the description bounds */

Description *EXPORT(core_description)(void) { return &description; }

i32 EXPORT(core_prepare)(void) {
    memory_reset();
    integers = 0;
    coded = 0;
    network = 0;
    allowed = 0;
    levels = (Levels){0};
    i32 answer = layout_make(&description, &layout);
    if (answer) return answer;
    i32 *taken = memory_take((u64)layout.integer_count * sizeof(i32));
    if (!taken) return CORE_NO_MEMORY;
    integers = taken;
    return CORE_FINE;
}

Subband *EXPORT(core_subbands)(void) { return layout.subbands; }

u32 EXPORT(core_subband_count)(void) { return layout.subband_count; }

i32 *EXPORT(core_integers)(void) { return integers; }

u32 EXPORT(core_integer_count)(void) { return layout.integer_count; }

void EXPORT(core_allow)(u32 work) { allowed = work; }

void EXPORT(core_want_levels)(u32 count) { levels.wanted = count; }

/* After `core_decode` or `core_encode`. */
const u32 *EXPORT(core_level_ends)(void) { return levels.ends; }

static i64 budget(void) { return allowed ? (i64)allowed << 10 : 1ll << 62; }

u8 *EXPORT(core_coded_room)(u32 bytes) {
    coded = integers ? memory_take((u64)bytes + 1) : 0;
    coded_size = bytes;
    return coded;
}

i32 EXPORT(core_decode)(void) {
    if (!integers || !coded) return CORE_NOT_PREPARED;
    coder.bytes = coded;
    coder.size = coded_size;
    coded = 0;
    coder.work = budget();
    return subbands_decode(&layout, integers, &coder, &levels);
}

i32 EXPORT(core_encode)(void) {
    if (!integers) return CORE_NOT_PREPARED;
    for (u32 integer = 0; integer < layout.integer_count; integer++)
        if (integers[integer] > LARGEST_VALUE || integers[integer] < -LARGEST_VALUE) return CORE_OUT_OF_RANGE;
    coder.work = budget();
    i32 answer = subbands_encode(&layout, integers, &coder, &levels);
    coded = coder.bytes;
    coded_size = coder.position;
    return answer;
}

u8 *EXPORT(core_coded)(void) { return coded; }

u32 EXPORT(core_coded_size)(void) { return coded_size; }

u32 *EXPORT(core_network_room)(u32 words) {
    network = integers ? memory_take((u64)words * sizeof(u32)) : 0;
    network_words = words;
    return network;
}

/* After the integers are in place, by the host or by `core_decode`, and the network is in its room. */
i32 EXPORT(core_pixels)(void) {
    if (!integers || !network) return CORE_NOT_PREPARED;
    return pixels_begin(&layout, integers, network, network_words);
}

u32 EXPORT(core_next)(void) { return integers && network ? pixels_next() : 0; }

const float *EXPORT(core_values)(void) { return pixels_values(); }
