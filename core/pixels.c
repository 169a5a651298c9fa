#include "pixels.h"

#include "memory.h"
#include "network.h"
#include "sums.h"
#include "vector.h"
#include "wavelets.h"

/* Samples of some rows together: what is made of them fits a cache of a megabyte. */
enum { STRIPE = 8192, LEFT = 4 };

static Network network;
static Scale fine;
static Sum *sums;
static u32 sum_count, stripe, done, total;
static float *brightness;     /* sums of all fields of the first colour, in lines with a sample repeated at both ends */
static u32 line_room, lines;  /* floats of such a line, lines of a row */
static float *values;
static u32 every;             /* so many samples along each axis have one value */

/* The first sample of an axis that has a value, and how many have one. */
static u32 first_of(u32 size) { return every / 2 < size ? every / 2 : size - 1; }
static u32 values_along(u32 size) { return (size - 1 - first_of(size)) / every + 1; }

SELDOM i32 pixels_begin(const Layout *layout, const i32 *integers, const u32 *words, u32 count, u32 apart) {
    total = done = 0;
    every = apart;
    i32 answer = network_make(&network, layout->description, words, count, WAVES_OF_SAMPLES, (Outputs){0});
    if (!answer && network.is_sines) answer = CORE_BAD_NETWORK;
    if (answer) return answer;
    if (every > 1) network_every(&network, every);
    float **coarse = wavelets_coarse(layout, integers);
    if (!coarse) return CORE_NO_MEMORY;
    u64 plane = 1;
    for (u32 axis = 1; axis < layout->description->axes; axis++) plane *= layout->description->samples[axis];
    if (layout->description->axes == 1) plane = layout->description->samples[0];
    stripe = plane < STRIPE / 2 ? (u32)(STRIPE / plane) & ~1u : 2;
    if (!scale_begin(&fine, layout, integers, 0, stripe)) return CORE_NO_MEMORY;
    u32 rows = fine.sizes[fine.axis];
    if (stripe > rows) stripe = rows;
    sums = sums_make(layout, &network, &fine, coarse);
    if (!sums) return CORE_NO_MEMORY;
    sum_count = sums_count(&network);
    line_room = fine.sizes[MOST_AXES - 1] + LEFT + SLACK;
    lines = fine.plane / fine.sizes[MOST_AXES - 1];
    brightness = memory_take((u64)(stripe + 2) * lines * line_room * sizeof(float));
    values = memory_take((u64)stripe * fine.plane * network.channels * sizeof(float) + SLACK);
    if (!brightness || !values) return CORE_NO_MEMORY;
    total = rows;
    return CORE_FINE;
}

/* The sum of all fields of the first colour in rows of the window, the first of which is `from`. */
static void brightness_make(u32 from, u32 until) {
    u32 size = fine.sizes[MOST_AXES - 1];
    for (u32 line = 0; line < (until - from) * lines; line++) {
        u64 start = (u64)(from - fine.first) * fine.plane + (u64)line * size;
        float *to = brightness + (u64)line * line_room + LEFT;
        for (u32 each = 0; each < size; each += LANES) {
            f32x4 all = load4(sums[0].rows + start + each);
            for (u32 field = 1; field < network.fields; field++) all += load4(sums[field].rows + start + each);
            store4(to + each, all);
        }
        to[-1] = to[0];
        to[size] = to[size - 1];
    }
}

/* Four of the samples that have values, of which none follows the last one. */
static inline f32x4 some4(const float *from, u32 point, u32 last) {
    if (every == 1) return load4(from + point);
    f32x4 found;
    for (u32 lane = 0; lane < LANES; lane++) found[lane] = from[(u64)(point + lane < last ? point + lane : last) * every];
    return found;
}

/* Differences of the samples around points of a line: first and second along each axis, mixed for each pair. */
static void differences_make(const float *here, const i64 (*steps)[2], u32 points, u32 last, float *first) {
    u32 axes = network.description->axes, absent = MOST_AXES - axes;
    float *second = first + axes * POINTS_ROOM, *mixed = second + axes * POINTS_ROOM;
    for (u32 one = absent; one < MOST_AXES; one++, first += POINTS_ROOM, second += POINTS_ROOM) {
        const float *before = here + steps[one][0], *after = here + steps[one][1];
        for (u32 point = 0; point < points; point += LANES) {
            f32x4 left = some4(before, point, last), right = some4(after, point, last), middle = some4(here, point, last);
            store4(first + point, all4(2.0f) * (right - left));
            store4(second + point, all4(4.0f) * ((left - middle) + (right - middle)));
        }
        for (u32 other = one + 1; other < MOST_AXES; other++, mixed += POINTS_ROOM) {
            const float *low = before + steps[other][0], *low_high = before + steps[other][1];
            const float *high_low = after + steps[other][0], *high = after + steps[other][1];
            for (u32 point = 0; point < points; point += LANES)
                store4(mixed + point, (some4(high, point, last) - some4(high_low, point, last)) - (some4(low_high, point, last) - some4(low, point, last)));
        }
    }
}

/* Values of some points of a line of a row, whose place has an index for every axis. */
static void points_make(const u32 *place, u64 start, const float *here, const i64 (*steps)[2], u32 points, float *out) {
    u32 channels = network.channels, summed = sums_read(&network);
    u32 padded = (points + 7) & ~7u;
    float *inputs = network.inputs_room;
    for (u32 each = 0; each < summed; each++, inputs += POINTS_ROOM)
        for (u32 point = 0; point < padded; point += LANES) store4(inputs + point, some4(sums[each].rows + start, point, points - 1));
    differences_make(here, steps, padded, points - 1, inputs);
    network_place(&network, place + MOST_AXES - network.description->axes);
    network_values(&network, padded);
    for (u32 channel = 0; channel < channels; channel++) {
        const float *from = network.values + (u64)channel * POINTS_ROOM;
        float *to = out + channel;
        if (sum_count > summed) {
            const float *more = sums[summed + channel].rows + start;
            for (u32 point = 0; point < points; point++, to += channels) *to = from[point] + more[(u64)point * every];
        } else
            for (u32 point = 0; point < points; point++, to += channels) *to = from[point];
    }
}

/* The place after a line within its row. */
static void place_next(u32 *place) {
    for (u32 axis = MOST_AXES - 1; axis-- > fine.axis + 1;) {
        if (++place[axis] < fine.sizes[axis]) return;
        place[axis] = 0;
    }
}

/* Whether a line of a row has values. */
static int is_wanted(const u32 *place) {
    for (u32 axis = fine.axis; axis + 1 < MOST_AXES; axis++)
        if (place[axis] % every != first_of(fine.sizes[axis]) % every) return 0;
    return 1;
}

/* Rows of the next stripe; how many of them have values. */
static u32 stripe_make(void) {
    u32 until = done + stripe < total ? done + stripe : total, from = done ? done - 1 : 0;
    u32 seen = until < total ? until + 1 : total, size = fine.sizes[MOST_AXES - 1];
    u32 first = first_of(size), along = values_along(size), rows = 0;
    float *out = values;
    scale_advance(&fine, sums, sum_count, from, seen);
    brightness_make(from, seen);
    for (u32 row = done; row < until; row++) {
        u32 place[MOST_AXES] = {0};
        place[fine.axis] = row;
        const float *before = out;
        for (u32 line = 0; line < lines; line++, place_next(place)) {
            if (every > 1 && !is_wanted(place)) continue;
            /* How far the next lines lie along each axis; the outermost ones count for those beyond. */
            i64 steps[MOST_AXES][2], apart = line_room;
            steps[MOST_AXES - 1][0] = -1;
            steps[MOST_AXES - 1][1] = 1;
            for (u32 axis = MOST_AXES - 1; axis-- > 0; apart *= fine.sizes[axis]) {
                steps[axis][0] = place[axis] ? -apart : 0;
                steps[axis][1] = place[axis] + 1 < fine.sizes[axis] ? apart : 0;
            }
            u64 start = (u64)(row - fine.first) * fine.plane + (u64)line * size;
            const float *here = brightness + ((u64)(row - from) * lines + line) * line_room + LEFT;
            for (u32 at = 0; at < along; at += POINTS) {
                u32 points = along - at < POINTS ? along - at : POINTS, sample = first + at * every;
                place[MOST_AXES - 1] = sample;
                points_make(place, start + sample, here + sample, steps, points, out);
                out += (u64)points * network.channels;
            }
        }
        rows += out != before;
    }
    done = until;
    return rows;
}

ONCE u32 pixels_next(void) {
    while (done < total) {
        u32 rows = stripe_make();
        if (rows) return rows;
    }
    return 0;
}

const float *pixels_values(void) { return values; }
