#include "splines.h"

#include "memory.h"
#include "vector.h"

/* (c[n-1] + 4 c[n] + c[n+1]) / 6 = v[n] by elimination, of rows that are `inner` numbers apart. */
ONCE static void solve_rows(float *values, u32 count, u64 inner, const float *inverse) {
    f32x4 six = all4(6.0f);
    u64 all = count * inner, each = 0;
    for (; each + LANES <= all; each += LANES) store4(values + each, six * load4(values + each));
    for (; each < all; each++) values[each] *= 6.0f;
    for (u32 row = 1; row < count; row++) {
        float *to = values + row * inner, *before = to - inner;
        f32x4 by = all4(inverse[row - 1]);
        for (each = 0; each + LANES <= inner; each += LANES) store4(to + each, load4(to + each) - load4(before + each) * by);
        for (; each < inner; each++) to[each] -= before[each] * inverse[row - 1];
    }
    float *last = values + (count - 1) * inner;
    for (each = 0; each < inner; each++) last[each] *= inverse[count - 1];
    for (u32 row = count - 1; row-- > 0;) {
        float *to = values + row * inner, *after = to + inner;
        f32x4 by = all4(inverse[row]);
        for (each = 0; each + LANES <= inner; each += LANES) store4(to + each, (load4(to + each) - load4(after + each)) * by);
        for (; each < inner; each++) to[each] = (to[each] - after[each]) * inverse[row];
    }
}

/* The same along the last axis, of four lines at a time: one waits for another otherwise. */
SELDOM static void solve_lines(float *values, u64 lines, u32 count, const float *inverse, float *room) {
    u64 line = 0;
    for (; line + LANES <= lines; line += LANES, values += (u64)LANES * count) {
        for (u32 lane = 0; lane < LANES; lane++)
            for (u32 each = 0; each < count; each++) room[(u64)each * LANES + lane] = values[(u64)lane * count + each];
        solve_rows(room, count, LANES, inverse);
        for (u32 lane = 0; lane < LANES; lane++)
            for (u32 each = 0; each < count; each++) values[(u64)lane * count + each] = room[(u64)each * LANES + lane];
    }
    for (; line < lines; line++, values += count) solve_rows(values, count, 1, inverse);
}

SELDOM static int nodes_make(const Splines *splines) {
    u32 longest = 1;
    for (u32 axis = 0; axis < MOST_AXES; axis++) longest = splines->sizes[axis] > longest ? splines->sizes[axis] : longest;
    float *inverse = memory_take((u64)longest * sizeof(float)), *room = memory_take((u64)longest * LANES * sizeof(float));
    if (!inverse || !room) return 0;
    u64 inner = 1, all = 1;
    for (u32 axis = 0; axis < MOST_AXES; axis++) all *= splines->sizes[axis];
    for (u32 axis = MOST_AXES; axis-- > 0; inner *= splines->sizes[axis]) {
        u32 count = splines->sizes[axis];
        if (count < 2) continue;
        /* The outermost nodes count for those beyond them, too. */
        double diagonal = 5.0;
        inverse[0] = (float)(1.0 / diagonal);
        for (u32 each = 1; each < count; each++) {
            diagonal = (each == count - 1 ? 5.0 : 4.0) - 1.0 / diagonal;
            inverse[each] = (float)(1.0 / diagonal);
        }
        for (u32 sum = 0; sum < splines->count; sum++) {
            float *rows = splines->sums[sum].rows;
            if (axis == MOST_AXES - 1)
                solve_lines(rows, all / count, count, inverse, room);
            else
                for (u64 start = 0; start < all; start += count * inner) solve_rows(rows + start, count, inner, inverse);
        }
    }
    for (u32 field = 0; field < splines->fields; field++) {
        const float *rows = splines->sums[field].rows;
        for (u64 each = 0; each < all; each++) splines->brightness[each] += rows[each];
    }
    return 1;
}

SELDOM u64 splines_work(const Layout *layout, const Network *outline) {
    const Description *d = layout->description;
    u64 all = 1;
    for (u32 axis = 0; axis < d->axes; axis++) all *= d->samples[axis];
    return all * sums_count(outline) * (8 * d->axes + 4);
}

SELDOM int splines_make(Splines *splines, const Layout *layout, const i32 *integers, const Network *outline) {
    float **coarse = wavelets_coarse(layout, integers);
    if (!coarse) return 0;
    Scale scale;
    if (!scale_begin(&scale, layout, integers, 0, 0)) return 0;
    *splines = (Splines){.axes = layout->description->axes, .absent = MOST_AXES - layout->description->axes,
                         .read = sums_read(outline), .fields = outline->fields, .count = sums_count(outline)};
    __builtin_memcpy(splines->sizes, scale.sizes, sizeof(scale.sizes));
    u64 all = (u64)scale.sizes[scale.axis] * scale.plane;
    splines->brightness = memory_take((all + SLACK) * sizeof(float));
    splines->sums = sums_make(layout, outline, &scale, coarse);
    if (!splines->sums || !splines->brightness) return 0;
    scale_advance(&scale, splines->sums, splines->count, 0, scale.sizes[scale.axis]);
    return nodes_make(splines);
}

ONCE i32 spline_cell(double position, u32 samples, double *rest) {
    double at = (position + 1.0) * ((double)samples / 2.0) - 0.5, first = __builtin_floor(at), last = (double)samples - 1.0;
    *rest = at - first;
    /* A coordinate may lie far outside, or be no number; none of these reaches the integers. */
    if (!(first >= -TAPS)) first = -TAPS;
    if (!(first <= last + TAPS)) first = last + TAPS;
    return (i32)first;
}

ONCE void spline_weights(double r, u32 samples, int derivative, float *weights) {
    if (derivative) {
        double unit = (double)samples / 4.0;
        weights[0] = (float)(-((1.0 - r) * (1.0 - r)) * unit);
        weights[1] = (float)(r * (3.0 * r - 4.0) * unit);
        weights[2] = (float)((1.0 + r * (2.0 - 3.0 * r)) * unit);
        weights[3] = (float)(r * r * unit);
    } else {
        weights[0] = (float)((1.0 - r) * (1.0 - r) * (1.0 - r) / 6.0);
        weights[1] = (float)((4.0 + r * r * (3.0 * r - 6.0)) / 6.0);
        weights[2] = (float)((1.0 + 3.0 * r * (1.0 + r - r * r)) / 6.0);
        weights[3] = (float)(r * r * r / 6.0);
    }
}

ONCE Tap spline_tap(double position, u32 samples, int derivative) {
    Tap tap = {.count = TAPS};
    double rest;
    i32 first = spline_cell(position, samples, &rest), last = (i32)samples - 1;
    spline_weights(rest, samples, derivative, tap.weights);
    for (i32 each = 0; each < TAPS; each++) {
        i32 node = first - 1 + each;
        tap.nodes[each] = (u32)(node < 0 ? 0 : node > last ? last : node);
    }
    return tap;
}

ONCE double moved_position(double position, u32 samples, i32 step, int *follows) {
    double last = 1.0 - 1.0 / (double)samples, most = last + 1e-9;
    double inside = position < -last ? -last : position > last ? last : position;
    double wanted = inside + 2.0 * (double)step / (double)samples;
    *follows = position <= most && position >= -most && wanted <= most && wanted >= -most;
    return wanted < -last ? -last : wanted > last ? last : wanted;
}

ONCE float spline_at(const Splines *splines, const float *nodes, const Tap *const *taps) {
    const u32 *sizes = splines->sizes;
    const Tap *last = taps[MOST_AXES - 1];
    int together = last->nodes[TAPS - 1] - last->nodes[0] == TAPS - 1;
    f32x4 found = {0};
    for (u32 a = 0; a < taps[0]->count; a++)
        for (u32 b = 0; b < taps[1]->count; b++)
            for (u32 c = 0; c < taps[2]->count; c++) {
                u64 line = (((u64)taps[0]->nodes[a] * sizes[1] + taps[1]->nodes[b]) * sizes[2] + taps[2]->nodes[c]) * sizes[3];
                float weight = taps[0]->weights[a] * taps[1]->weights[b] * taps[2]->weights[c];
                const float *from = nodes + line;
                f32x4 four = together ? load4(from + last->nodes[0])
                                      : (f32x4){from[last->nodes[0]], from[last->nodes[1]], from[last->nodes[2]], from[last->nodes[3]]};
                found += all4(weight) * four;
            }
    found *= load4(last->weights);
    return (found[0] + found[1]) + (found[2] + found[3]);
}

ONCE void differences_fill(Seen seen, u32 axes, u32 points, float *first) {
    static float rows[7][POINTS_ROOM];
    float *second = first + axes * POINTS_ROOM, *mixed = second + axes * POINTS_ROOM;
    i32 steps[MOST_AXES] = {0};
    seen(steps, points, rows[0]);
    for (u32 one = MOST_AXES - axes; one < MOST_AXES; one++, first += POINTS_ROOM, second += POINTS_ROOM) {
        for (u32 side = 0; side < 2; side++) {
            steps[one] = side ? 1 : -1;
            seen(steps, points, rows[1 + side]);
        }
        steps[one] = 0;
        for (u32 point = 0; point < points; point += LANES) {
            f32x4 here = load4(rows[0] + point), left = load4(rows[1] + point), right = load4(rows[2] + point);
            store4(first + point, all4(2.0f) * (right - left));
            store4(second + point, all4(4.0f) * ((left - here) + (right - here)));
        }
        for (u32 other = one + 1; other < MOST_AXES; other++, mixed += POINTS_ROOM) {
            for (u32 corner = 0; corner < 4; corner++) {
                steps[one] = corner & 2 ? 1 : -1;
                steps[other] = corner & 1 ? 1 : -1;
                seen(steps, points, rows[3 + corner]);
            }
            steps[one] = steps[other] = 0;
            for (u32 point = 0; point < points; point += LANES)
                store4(mixed + point, (load4(rows[6] + point) - load4(rows[5] + point)) - (load4(rows[4] + point) - load4(rows[3] + point)));
        }
    }
}
