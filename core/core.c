/* The entry points. A host writes a description, prepares, puts integers or coded bytes in place, and calls. */
#include "core.h"

#include "chunks.h"
#include "grid.h"
#include "layout.h"
#include "memory.h"
#include "pixels.h"
#include "points.h"
#include "splines.h"
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
static Outputs outputs;
static u32 every; /* so many samples of an axis pixels have one */
static Splines splines;
static u64 mark;            /* memory up to here is kept while grids and points come and go; 0: not yet */
static int is_sines;
static double *coordinates; /* of the grid or of the points that follow */
static u32 counts[MOST_AXES], points;
static enum { NOTHING, PIXELS, GRID, POINTS_AT } making;
static u32 allowed; /* units of 2^10; 0: whatever is needed, which the description bounds */

Description *EXPORT(core_description)(void) { return &description; }

static void forget(void) {
    memory_reset();
    integers = 0;
    coded = 0;
    network = 0;
    allowed = 0;
    levels = (Levels){0};
    outputs = (Outputs){0};
    every = 1;
    mark = 0;
    coordinates = 0;
    is_sines = 0;
    making = NOTHING;
}

i32 EXPORT(core_prepare)(void) {
    forget();
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
    coded = integers || is_sines ? memory_take((u64)bytes + 1) : 0;
    coded_size = bytes;
    return coded;
}

i32 EXPORT(core_decode)(void) {
    if (!integers || !coded) return CORE_NOT_PREPARED;
    coder.bytes = coded;
    coder.size = coded_size;
    coded = 0;
    coder.work = budget();
    i32 answer = subbands_decode(&layout, integers, &coder, &levels);
    if (levels.wanted && levels.wanted < layout.levels) layout.levels = levels.wanted;
    return answer;
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

/* Be ready for a network of sines along so many axes, which has no integers. */
i32 EXPORT(core_prepare_sines)(u32 axes) {
    forget();
    if (axes < 1 || axes > MOST_AXES) return CORE_BAD_DESCRIPTION;
    description = (Description){.axes = axes, .colours = 1, .samples = {1, 1, 1, 1}};
    is_sines = 1;
    return CORE_FINE;
}

u32 *EXPORT(core_network_room)(u32 words) {
    making = NOTHING;
    mark = 0;
    network = integers || is_sines ? memory_take((u64)words * sizeof(u32)) : 0;
    network_words = words;
    return network;
}

u32 *EXPORT(core_network)(void) { return network; }

u32 EXPORT(core_network_words)(void) { return network_words; }

/* The network's words from its head, in their room, and a payload, in that of coded bytes. */
static i32 chunk_read(u32 chunk) {
    if (!network || !coded) return CORE_NOT_PREPARED;
    u64 words = network_size(&description, network, network_words);
    if (!words || network[3] != (is_sines ? NETWORK_OF_SINES : NETWORK_OF_WAVELETS) || words > MOST_NODES) return CORE_BAD_NETWORK;
    if ((i64)words > budget()) return CORE_TOO_MUCH_WORK;
    u32 *all = memory_take(words * sizeof(u32)), end = coded_size;
    if (!all) return CORE_NO_MEMORY;
    i32 answer = is_sines ? chunk_sines(&description, network, chunk, coded, coded_size, all)
                          : chunk_wavelets(&description, network, coded, coded_size, all, &end);
    if (answer) {
        network = 0;
        return answer;
    }
    network = all;
    network_words = (u32)words;
    coded += end;
    coded_size -= end;
    mark = 0;
    making = NOTHING;
    return CORE_FINE;
}

/* Of sines: chunk 1 or 3. */
i32 EXPORT(core_sines)(u32 chunk) { return is_sines ? chunk_read(chunk) : CORE_NOT_PREPARED; }

/* Of wavelets; the coded integers, which follow, are ready for `core_decode`. */
i32 EXPORT(core_wavelets)(void) { return is_sines ? CORE_NOT_PREPARED : chunk_read(0); }

/* Only every so many samples along each axis, from the next pixels on. */
void EXPORT(core_every)(u32 samples) { every = samples ? samples : 1; }

/* After the integers are in place, by the host or by `core_decode`, and the network is in its room. */
i32 EXPORT(core_pixels)(void) {
    if (!integers || !network) return CORE_NOT_PREPARED;
    making = NOTHING;
    i32 answer = pixels_begin(&layout, integers, network, network_words, every);
    if (!answer) making = PIXELS;
    return answer;
}

/* Only some values of a network of sines, from the next grid or points on; 0: all of them. */
void EXPORT(core_outputs)(u32 first, u32 count) { outputs = (Outputs){first, count}; }

/* What many grids and points have in common; an answer. */
static i32 evaluation_begin(Network *outline) {
    if (!network) return CORE_NOT_PREPARED;
    i32 answer = network_outline(outline, &description, network, network_words);
    if (answer) return answer;
    if (is_sines != (int)outline->is_sines || (outputs.count && !is_sines)) return CORE_BAD_NETWORK;
    return CORE_FINE;
}

static int too_much(u64 products) { return (i64)(products >> 6) > budget(); }

/* After the integers and the network are in place: get ready for any number of grids and points. */
i32 EXPORT(core_evaluate)(void) {
    Network outline;
    making = NOTHING;
    mark = 0;
    i32 answer = evaluation_begin(&outline);
    if (answer) return answer;
    if (!is_sines) {
        if (too_much(splines_work(&layout, &outline))) return CORE_TOO_MUCH_WORK;
        if (!splines_make(&splines, &layout, integers, &outline)) return CORE_NO_MEMORY;
    }
    mark = memory_mark();
    return CORE_FINE;
}

/* Room for coordinates; what was made of others is given back. */
static double *room(u64 numbers) {
    making = NOTHING;
    coordinates = 0;
    if (!mark || numbers > MOST_NODES) return 0;
    memory_return(mark);
    return coordinates = memory_take(numbers * sizeof(double));
}

double *EXPORT(core_grid_room)(u32 first, u32 second, u32 third, u32 fourth) {
    u32 given[MOST_AXES] = {first, second, third, fourth};
    u64 numbers = 0;
    for (u32 axis = 0; axis < description.axes; axis++) numbers += counts[axis] = given[axis];
    return room(numbers);
}

i32 EXPORT(core_grid)(void) {
    Network outline;
    making = NOTHING;
    if (!coordinates) return CORE_NOT_PREPARED;
    i32 answer = evaluation_begin(&outline);
    if (answer) return answer;
    const Splines *through = is_sines ? 0 : &splines;
    if (too_much(grid_work(&outline, through, counts))) return CORE_TOO_MUCH_WORK;
    answer = grid_begin(&description, through, network, network_words, outputs, coordinates, counts);
    coordinates = 0;
    if (!answer) making = GRID;
    return answer;
}

double *EXPORT(core_points_room)(u32 count) {
    points = count;
    return room((u64)count * description.axes);
}

i32 EXPORT(core_points)(u32 derivatives) {
    Network outline;
    making = NOTHING;
    if (!coordinates) return CORE_NOT_PREPARED;
    i32 answer = evaluation_begin(&outline);
    if (answer) return answer;
    const Splines *through = is_sines ? 0 : &splines;
    if (too_much(points_work(&outline, through, points, derivatives != 0))) return CORE_TOO_MUCH_WORK;
    answer = points_begin(&description, through, network, network_words, outputs, coordinates, points, derivatives != 0);
    coordinates = 0;
    if (!answer) making = POINTS_AT;
    return answer;
}

u32 EXPORT(core_next)(void) { return making == PIXELS ? pixels_next() : making == GRID ? grid_next() : making == POINTS_AT ? points_next() : 0; }

const float *EXPORT(core_values)(void) { return making == GRID ? grid_values() : making == POINTS_AT ? points_values() : pixels_values(); }
