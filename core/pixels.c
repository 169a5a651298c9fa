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
static i64 starts[3];         /* where in a kept line are the samples before those with values, these, and those behind */

/* The first sample of an axis that has a value, and how many have one. */
static u32 first_of(u32 size) { return every / 2 < size ? every / 2 : size - 1; }
static u32 values_along(u32 size) { return (size - 1 - first_of(size)) / every + 1; }

/* The samples of a line that are needed where not all have values: before those with values, these, and behind them, as
 * `starts` has it; the outermost ones count for those beyond. Every second sample shares those between. */
SELDOM static u32 *columns_make(u32 size, u32 *line) {
    u32 count = values_along(size), is_second = every == 2;
    starts[1] = count + is_second;
    starts[2] = is_second ? 1 : 2 * count;
    *line = (is_second ? 2 : 3) * count + is_second;
    u32 *columns = memory_take((u64)*line * sizeof(u32));
    for (u32 step = 0; columns && step < 3; step++)
        for (u32 each = 0; each < count; each++) {
            i64 column = (i64)first_of(size) + (i64)each * every + step - 1;
            columns[starts[step] + each] = column < 0 ? 0 : column < size ? (u32)column : size - 1;
        }
    return columns;
}

SELDOM i32 pixels_begin(const Layout *layout, const i32 *integers, const u32 *words, u32 count, u32 apart) {
    total = done = 0;
    every = apart;
    i32 answer = network_make(&network, layout->description, words, count, WAVES_OF_SAMPLES, (Outputs){0});
    if (!answer && network.is_sines) answer = CORE_BAD_NETWORK;
    if (answer) return answer;
    network_every(&network, every);
    float **coarse = wavelets_coarse(layout, integers);
    if (!coarse) return CORE_NO_MEMORY;
    const Description *d = layout->description;
    u32 line = d->samples[d->axes - 1], *columns = 0;
    starts[0] = -1, starts[1] = 0, starts[2] = 1;
    if (every > 1) {
        starts[0] = 0;
        columns = columns_make(line, &line);
        if (!columns) return CORE_NO_MEMORY;
    }
    u64 plane = line;
    for (u32 axis = 1; axis + 1 < d->axes; axis++) plane *= d->samples[axis];
    stripe = plane < STRIPE / 2 ? (u32)(STRIPE / plane) & ~1u : 2;
    if (!scale_begin(&fine, layout, integers, 0, stripe)) return CORE_NO_MEMORY;
    u32 rows = fine.sizes[fine.axis];
    if (columns) scale_keep(&fine, columns, line, every, first_of(rows));
    if (stripe > rows) stripe = rows;
    sums = sums_make(layout, &network, &fine, coarse);
    if (!sums) return CORE_NO_MEMORY;
    sum_count = sums_count(&network);
    line_room = line + LEFT + SLACK;
    lines = fine.plane / line;
    brightness = memory_take((u64)(stripe + 2) * lines * line_room * sizeof(float));
    values = memory_take((u64)stripe * fine.plane * network.channels * sizeof(float) + SLACK);
    if (!brightness || !values) return CORE_NO_MEMORY;
    total = rows;
    return CORE_FINE;
}

/* The sum of all fields of the first colour in rows of the window, the first of which is `from`. */
static void brightness_make(u32 from, u32 until) {
    u32 size = fine.line;
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

/* Differences of the samples around points of a line: first and second along each axis, mixed for each pair. */
static void differences_make(const float *here, const i64 (*steps)[2], u32 points, float *first) {
    u32 axes = network.description->axes, absent = MOST_AXES - axes;
    float *second = first + axes * POINTS_ROOM, *mixed = second + axes * POINTS_ROOM;
    for (u32 one = absent; one < MOST_AXES; one++, first += POINTS_ROOM, second += POINTS_ROOM) {
        const float *before = here + steps[one][0], *after = here + steps[one][1];
        for (u32 point = 0; point < points; point += LANES) {
            f32x4 left = load4(before + point), right = load4(after + point), middle = load4(here + point);
            store4(first + point, all4(2.0f) * (right - left));
            store4(second + point, all4(4.0f) * ((left - middle) + (right - middle)));
        }
        for (u32 other = one + 1; other < MOST_AXES; other++, mixed += POINTS_ROOM) {
            const float *low = before + steps[other][0], *low_high = before + steps[other][1];
            const float *high_low = after + steps[other][0], *high = after + steps[other][1];
            for (u32 point = 0; point < points; point += LANES)
                store4(mixed + point, (load4(high + point) - load4(high_low + point)) - (load4(low_high + point) - load4(low + point)));
        }
    }
}

/* Values of some points of a line of a row, whose place has an index for every axis. */
static void points_make(const u32 *place, u64 start, const float *here, const i64 (*steps)[2], u32 points, float *out) {
    u32 channels = network.channels, summed = sums_read(&network);
    u32 padded = (points + 7) & ~7u;
    float *inputs = network.inputs_room;
    for (u32 each = 0; each < summed; each++, inputs += POINTS_ROOM)
        for (u32 point = 0; point < padded; point += LANES) store4(inputs + point, load4(sums[each].rows + start + point));
    differences_make(here, steps, padded, inputs);
    network_place(&network, place + MOST_AXES - network.description->axes);
    network_values(&network, padded);
    for (u32 channel = 0; channel < channels; channel++) {
        const float *from = network.values + (u64)channel * POINTS_ROOM;
        float *to = out + channel;
        if (sum_count > summed) {
            const float *more = sums[summed + channel].rows + start;
            for (u32 point = 0; point < points; point++, to += channels) *to = from[point] + more[point];
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
            steps[MOST_AXES - 1][0] = starts[0] - starts[1];
            steps[MOST_AXES - 1][1] = starts[2] - starts[1];
            for (u32 axis = MOST_AXES - 1; axis-- > 0; apart *= fine.sizes[axis]) {
                steps[axis][0] = place[axis] ? -apart : 0;
                steps[axis][1] = place[axis] + 1 < fine.sizes[axis] ? apart : 0;
            }
            u64 start = (u64)(row - fine.first) * fine.plane + (u64)line * fine.line + starts[1];
            const float *here = brightness + ((u64)(row - from) * lines + line) * line_room + LEFT + starts[1];
            for (u32 at = 0; at < along; at += POINTS) {
                u32 points = along - at < POINTS ? along - at : POINTS;
                place[MOST_AXES - 1] = first + at * every;
                points_make(place, start + at, here + at, steps, points, out);
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
