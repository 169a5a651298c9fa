#include "grid.h"

#include "memory.h"
#include "vector.h"
#include "wavelets.h"

/* Points of some rows together. */
enum { STRIPE = 8192, BORDER = 8, MOST_KEPT = 1 << 23 };

/* What positions along the last axis read: four nodes from `cells` - 1 on; with room for a few positions more. */
typedef struct {
    i32 *cells, least, most; /* the outermost nodes of all */
    float *weights[TAPS];
} Readings;

static Network network;
static const Splines *splines;
static u32 counts[MOST_AXES], row_axis, plane, stripe, done, total; /* right-aligned */
static const double *positions[MOST_AXES];
/* Along each axis but the last: of the position itself, and a sample before it, at it, a sample behind it. */
static Tap *taps[MOST_AXES - 1], *moved_taps[MOST_AXES - 1][STEPS];
static Readings readings, moved_readings[STEPS];
static float **lines;      /* of each sum, then of the brightness for each step along the other axes */
static i32 line_start;     /* node at the start of these */
static u32 line_numbers[STEPS * STEPS * STEPS]; /* which of these, by steps; 0: none */
static double distances[POINTS];
static int is_even;
static float *values;
static float *kept;        /* waves of every piece of a line that is not even, if there is room for them */
static u32 chunk;

SELDOM static int taps_make(u32 axis) {
    u32 count = counts[axis], samples = splines->sizes[axis];
    taps[axis] = memory_take((u64)count * sizeof(Tap));
    for (u32 step = 0; step < STEPS; step++) moved_taps[axis][step] = memory_take((u64)count * sizeof(Tap));
    if (!taps[axis] || !moved_taps[axis][0] || !moved_taps[axis][1] || !moved_taps[axis][2]) return 0;
    for (u32 each = 0; each < count; each++) {
        int absent = axis < splines->absent, follows;
        taps[axis][each] = absent ? no_tap() : spline_tap(positions[axis][each], samples, 0);
        for (u32 step = 0; step < STEPS; step++)
            moved_taps[axis][step][each] =
                absent ? no_tap() : spline_tap(moved_position(positions[axis][each], samples, (i32)step - 1, &follows), samples, 0);
    }
    return 1;
}

SELDOM static int readings_make(Readings *to, int step) {
    const u32 last = MOST_AXES - 1;
    u32 count = counts[last], samples = splines->sizes[last];
    to->cells = memory_take(((u64)count + BORDER) * sizeof(i32));
    for (u32 tap = 0; tap < TAPS; tap++) to->weights[tap] = memory_take(((u64)count + BORDER) * sizeof(float));
    if (!to->cells || !to->weights[0] || !to->weights[1] || !to->weights[2] || !to->weights[3]) return 0;
    for (u32 each = 0; each < count; each++) {
        float weights[TAPS];
        double rest, position = positions[last][each];
        int follows;
        if (step >= 0) position = moved_position(position, samples, step - 1, &follows);
        i32 cell = to->cells[each] = spline_cell(position, samples, &rest);
        spline_weights(rest, samples, 0, weights);
        for (u32 tap = 0; tap < TAPS; tap++) to->weights[tap][each] = weights[tap];
        if (!each || cell - 1 < to->least) to->least = cell - 1;
        if (!each || cell + 2 > to->most) to->most = cell + 2;
    }
    for (u32 each = count; each < count + BORDER; each++) to->cells[each] = to->cells[count - 1];
    return 1;
}

/* The lines that a line of the grid reads, each a sum of those around it. */
SELDOM static int lines_make(void) {
    i32 least = readings.least, most = readings.most;
    for (u32 step = 0; step < STEPS; step++) {
        least = moved_readings[step].least < least ? moved_readings[step].least : least;
        most = moved_readings[step].most > most ? moved_readings[step].most : most;
    }
    line_start = least;
    readings.least = least;
    readings.most = most;
    u32 count = splines->count;
    for (u32 a = 0; a < STEPS; a++)
        for (u32 b = 0; b < STEPS; b++)
            for (u32 c = 0; c < STEPS; c++) {
                u32 absent = splines->absent, moved = (a != 1) + (b != 1) + (c != 1);
                int none = (absent > 0 && a != 1) || (absent > 1 && b != 1) || (absent > 2 && c != 1) || moved > 2;
                line_numbers[(a * STEPS + b) * STEPS + c] = none ? 0 : count++;
            }
    lines = memory_take((u64)count * sizeof(float *));
    if (!lines) return 0;
    for (u32 line = 0; line < count; line++) {
        lines[line] = memory_take(((u64)(most - least) + 1 + SLACK) * sizeof(float));
        if (!lines[line]) return 0;
    }
    return 1;
}

/* Waves of a piece of a line that is not even: made, or as they were kept. */
SELDOM static void piece_waves(u32 start, u32 points, int keep) {
    u64 size = (u64)network.wave_rows * POINTS_ROOM;
    float *there = kept + start / POINTS * size;
    if (kept && !keep) {
        __builtin_memcpy(network.waves, there, size * sizeof(float));
        return;
    }
    const double *along = positions[MOST_AXES - 1] + start;
    for (u32 each = 0; each < points; each++) distances[each] = along[each] - along[0];
    network_distances(&network, distances, points);
    if (keep) __builtin_memcpy(there, network.waves, size * sizeof(float));
}

SELDOM u64 grid_work(const Network *outline, const Splines *through, const u32 *given) {
    u64 lines_of_grid = 1, points, each = outline->products, each_line = 0;
    u32 axes = outline->description->axes;
    for (u32 axis = 0; axis + 1 < axes; axis++) lines_of_grid = at_most_work(lines_of_grid, given[axis]);
    points = at_most_work(lines_of_grid, given[axes - 1]);
    if (through) {
        u64 reads = through->count + offset_count(axes);
        each += TAPS * reads;
        each_line = (reads << 2 * (axes - 1)) * through->sizes[MOST_AXES - 1];
    }
    u64 work = at_most_work(points, each) + at_most_work(lines_of_grid, each_line);
    return work < MOST_WORK ? work : MOST_WORK;
}

SELDOM i32 grid_begin(const Description *d, const Splines *through, const u32 *words, u32 word_count, Outputs outputs,
               const double *coordinates, const u32 *given) {
    total = done = 0;
    splines = through;
    i32 answer = network_make(&network, d, words, word_count, WAVES_OF_LINES, outputs);
    if (answer) return answer;
    static const double none = 0.0;
    u32 absent = MOST_AXES - d->axes;
    for (u32 axis = 0; axis < MOST_AXES; axis++) {
        counts[axis] = axis < absent ? 1 : given[axis - absent];
        positions[axis] = axis < absent ? &none : coordinates;
        if (axis >= absent) coordinates += counts[axis];
        if (!counts[axis] || counts[axis] > MOST_NODES) return CORE_BAD_GRID;
    }
    row_axis = absent < ROW_AXIS_OF_LINES ? absent : ROW_AXIS_OF_LINES;
    u64 others = 1;
    for (u32 axis = row_axis + 1; axis < MOST_AXES; axis++) {
        others *= counts[axis];
        if (others > MOST_NODES) return CORE_BAD_GRID;
    }
    plane = (u32)others;
    stripe = plane < STRIPE ? STRIPE / plane : 1;
    if (stripe > counts[row_axis]) stripe = counts[row_axis];
    if (splines) {
        for (u32 axis = 0; axis + 1 < MOST_AXES; axis++)
            if (!taps_make(axis)) return CORE_NO_MEMORY;
        if (!readings_make(&readings, -1)) return CORE_NO_MEMORY;
        for (u32 step = 0; step < STEPS; step++)
            if (!readings_make(moved_readings + step, (int)step)) return CORE_NO_MEMORY;
        if (!lines_make()) return CORE_NO_MEMORY;
    }
    values = memory_take((u64)stripe * plane * network.channels * sizeof(float) + SLACK);
    if (!values) return CORE_NO_MEMORY;
    /* Then all pieces of a line have the same distances from their first points. */
    const double *along = positions[MOST_AXES - 1];
    u32 last = counts[MOST_AXES - 1];
    double step = last > 1 ? (along[last - 1] - along[0]) / (double)(last - 1) : 0.0;
    is_even = 1;
    for (u32 each = 0; each < last; each++) {
        double off = along[each] - (along[0] + (double)each * step);
        if (!(off < 1e-12 && off > -1e-12)) is_even = 0;
    }
    chunk = ~0u;
    if (is_even) {
        for (u32 each = 0; each < POINTS; each++) distances[each] = (double)each * step;
        network_distances(&network, distances, last < POINTS ? last : POINTS);
    }
    u64 pieces = (last + POINTS - 1) / POINTS, size = pieces * network.wave_rows * POINTS_ROOM;
    kept = 0;
    if (!is_even && pieces > 1 && d->axes > 1 && size <= MOST_KEPT) {
        kept = memory_take(size * sizeof(float) + 16);
        if (!kept) return CORE_NO_MEMORY;
        for (u32 at = 0; at < last; at += POINTS) piece_waves(at, last - at < POINTS ? last - at : POINTS, 1);
    }
    total = counts[row_axis];
    return CORE_FINE;
}

/* A line of nodes as the sum of those around a place along the other axes, from node to node. */
ONCE static void line_sum(float *to, const float *nodes, const Tap *const *at) {
    const u32 *sizes = splines->sizes;
    i32 size = (i32)sizes[MOST_AXES - 1], from = readings.least < 0 ? 0 : readings.least, until = readings.most + 1;
    if (from >= size) from = size - 1;
    if (until > size) until = size;
    if (until <= from) until = from + 1;
    u32 count = (u32)(until - from);
    float *inside = to + (from - line_start);
    if (from < line_start) inside = to; /* all positions lie before the line or behind it */
    int have = 0;
    for (u32 a = 0; a < at[0]->count; a++)
        for (u32 b = 0; b < at[1]->count; b++)
            for (u32 c = 0; c < at[2]->count; c++) {
                u64 line = (((u64)at[0]->nodes[a] * sizes[1] + at[1]->nodes[b]) * sizes[2] + at[2]->nodes[c]) * sizes[3];
                f32x4 by = all4(at[0]->weights[a] * at[1]->weights[b] * at[2]->weights[c]);
                const float *row = nodes + line + from;
                u32 each = 0;
                if (have) {
                    for (; each + LANES <= count; each += LANES) store4(inside + each, load4(inside + each) + by * load4(row + each));
                    for (; each < count; each++) inside[each] += by[0] * row[each];
                } else {
                    for (; each + LANES <= count; each += LANES) store4(inside + each, by * load4(row + each));
                    for (; each < count; each++) inside[each] = by[0] * row[each];
                }
                have = 1;
            }
    float first = inside[0], last = inside[count - 1];
    for (i32 node = readings.least; node < 0 && node <= readings.most; node++) to[node - line_start] = first;
    for (i32 node = readings.least > size ? readings.least : size; node <= readings.most; node++) to[node - line_start] = last;
}

/* Splines at points of a line: four points at a time. */
ONCE static void read_line(const Readings *reading, const float *line, u32 start, u32 points, float *to) {
    line -= line_start + 1;
    for (u32 point = 0; point < points; point += LANES) {
        const i32 *cells = reading->cells + start + point;
        u32 at = start + point;
        f32x4 a = load4(line + cells[0]), b = load4(line + cells[1]), c = load4(line + cells[2]), d = load4(line + cells[3]);
        f32x4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        f32x4 more_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7), more_cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        f32x4 found = load4(reading->weights[0] + at) * __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
        found += load4(reading->weights[1] + at) * __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
        found += load4(reading->weights[2] + at) * __builtin_shufflevector(more_ab, more_cd, 0, 1, 4, 5);
        found += load4(reading->weights[3] + at) * __builtin_shufflevector(more_ab, more_cd, 2, 3, 6, 7);
        store4(to + point, found);
    }
}

static u32 line_of(const i32 *steps) { return line_numbers[((u32)(steps[0] + 1) * STEPS + (u32)(steps[1] + 1)) * STEPS + (u32)(steps[2] + 1)]; }

static void seen(const i32 *steps, u32 points, float *row) {
    read_line(moved_readings + 1 + steps[MOST_AXES - 1], lines[line_of(steps)], chunk, points, row);
}

SELDOM static void lines_fill(const u32 *place) {
    const Tap *at[MOST_AXES - 1];
    for (u32 axis = 0; axis + 1 < MOST_AXES; axis++) at[axis] = taps[axis] + place[axis];
    for (u32 sum = 0; sum < splines->count; sum++) line_sum(lines[sum], splines->sums[sum].rows, at);
    i32 steps[MOST_AXES];
    for (steps[0] = -1; steps[0] <= 1; steps[0]++)
        for (steps[1] = -1; steps[1] <= 1; steps[1]++)
            for (steps[2] = -1; steps[2] <= 1; steps[2]++) {
                if (!line_of(steps)) continue;
                for (u32 axis = 0; axis + 1 < MOST_AXES; axis++) at[axis] = moved_taps[axis][steps[axis] + 1] + place[axis];
                line_sum(lines[line_of(steps)], splines->brightness, at);
            }
}

SELDOM static void chunk_make(const u32 *place, u32 start, u32 points, float *out) {
    u32 channels = network.channels, padded = (points + 7) & ~7u, absent = MOST_AXES - network.description->axes;
    double from[MOST_AXES];
    for (u32 axis = absent; axis < MOST_AXES; axis++) from[axis - absent] = positions[axis][axis + 1 < MOST_AXES ? place[axis] : start];
    network_turn(&network, from);
    if (!is_even && chunk != start) piece_waves(start, points, 0);
    chunk = start;
    float *inputs = network.inputs_room;
    if (splines) {
        for (u32 sum = 0; sum < splines->read; sum++, inputs += POINTS_ROOM) read_line(&readings, lines[sum], start, padded, inputs);
        differences_fill(seen, network.description->axes, padded, inputs);
    }
    network_values(&network, padded);
    for (u32 channel = 0; channel < channels; channel++) {
        float *from_row = network.values + (u64)channel * POINTS_ROOM, *to = out + channel;
        if (splines && splines->count > splines->read) {
            float *more = network.hidden[0];
            read_line(&readings, lines[splines->read + channel], start, padded, more);
            for (u32 point = 0; point < points; point++, to += channels) *to = from_row[point] + more[point];
        } else
            for (u32 point = 0; point < points; point++, to += channels) *to = from_row[point];
    }
}

SELDOM u32 grid_next(void) {
    if (done >= total) return 0;
    u32 until = done + stripe < total ? done + stripe : total, size = counts[MOST_AXES - 1];
    float *out = values;
    for (u32 row = done; row < until; row++) {
        u32 place[MOST_AXES] = {0};
        place[row_axis] = row;
        for (u32 line = 0; line < plane / size; line++) {
            if (splines) lines_fill(place);
            for (u32 at = 0; at < size; at += POINTS) {
                u32 points = size - at < POINTS ? size - at : POINTS;
                chunk_make(place, at, points, out);
                out += (u64)points * network.channels;
            }
            for (u32 axis = MOST_AXES - 1; axis-- > row_axis + 1;) {
                if (++place[axis] < counts[axis]) break;
                place[axis] = 0;
            }
        }
    }
    u32 rows = until - done;
    done = until;
    return rows;
}

const float *grid_values(void) { return values; }
