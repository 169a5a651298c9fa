#include "wavelets.h"

#include "memory.h"
#include "vector.h"

static const float GAIN = 1.149604398860241f;
/* Lifting of the inverse 9/7: even, odd, even, odd samples take shares of their neighbours. */
static const float LIFTS[4] = {-0.443506852043971f, -0.882911075530934f, 0.052980118572961f, 1.586134342059924f};

SELDOM int scale_begin(Scale *scale, const Layout *layout, const i32 *integers, u32 number, u32 rows) {
    const Description *d = layout->description;
    u32 axes = d->axes, absent = MOST_AXES - axes;
    *scale = (Scale){.integers = integers, .axis = absent < ROW_AXIS_OF_LINES ? absent : ROW_AXIS_OF_LINES, .plane = 1};
    for (u32 axis = 0; axis < MOST_AXES; axis++) {
        u32 samples = axis < absent ? 1 : d->samples[axis - absent];
        scale->sizes[axis] = ((samples - 1) >> number) + 1;
        scale->nodes[axis] = ((samples - 1) >> (number + 1)) + 1;
        if (axis > scale->axis) scale->plane *= scale->sizes[axis];
    }
    scale->line = scale->sizes[MOST_AXES - 1];
    u32 all = scale->sizes[scale->axis];
    scale->capacity = rows && rows < all ? rows + ROWS_AROUND : all;
    u64 half = (u64)scale->nodes[MOST_AXES - 1] + SLACK;
    scale->even = memory_take(half * sizeof(float));
    scale->odd = memory_take(half * sizeof(float));
    return scale->even && scale->odd;
}

SELDOM void scale_keep(Scale *scale, const u32 *columns, u32 count, u32 every, u32 wanted) {
    scale->plane = scale->plane / scale->line * count;
    scale->columns = columns;
    scale->line = count;
    scale->every = every;
    scale->wanted = wanted;
}

/* Rows whose wavelets reach a row, four, or one next to it. */
enum { REACH = 5 };

static int is_near(const Scale *scale, u32 row) {
    return !scale->every || (row + scale->every - scale->wanted + REACH) % scale->every <= 2 * REACH;
}

static int any(const i32 *values, u32 count) {
    u32 each = 0;
    i32x4 found = {0};
    for (; each + LANES <= count; each += LANES) found |= *(const i32x4 *)(values + each);
    i32 rest = found[0] | found[1] | found[2] | found[3];
    for (; each < count; each++) rest |= values[each];
    return rest != 0;
}

/* The sums that follow: `to` is zero before the first one. */
ONCE static int add_coarse(float *to, const float *from, u32 count, float weight, int have) {
    f32x4 by = all4(weight);
    u32 each = 0;
    if (have) {
        for (; each + LANES <= count; each += LANES) store4(to + each, load4(to + each) + by * load4(from + each));
        for (; each < count; each++) to[each] += weight * from[each];
    } else {
        for (; each + LANES <= count; each += LANES) store4(to + each, by * load4(from + each));
        for (; each < count; each++) to[each] = weight * from[each];
    }
    return 1;
}

ONCE static int add_fine(float *to, const i32 *from, u32 count, float weight, int have) {
    if (!any(from, count)) return have;
    f32x4 by = all4(weight);
    u32 each = 0;
    if (!have)
        for (u32 here = 0; here < count; here++) to[here] = 0.0f;
    for (; each + LANES <= count; each += LANES)
        store4(to + each, load4(to + each) + by * __builtin_convertvector(*(const i32x4 *)(from + each), f32x4));
    for (; each < count; each++) to[each] += weight * (float)from[each];
    return 1;
}

/* Samples of one half of a line take a share of the two of the other half next to them. */
ONCE static void lift_half(float *to, const float *before, const float *after, u32 count, float share) {
    f32x4 by = all4(share);
    u32 each = 0;
    for (; each + LANES <= count; each += LANES)
        store4(to + each, load4(to + each) + by * (load4(before + each) + load4(after + each)));
    for (; each < count; each++) to[each] += share * (before[each] + after[each]);
}

/* Both halves of a line along the last axis; these have room for a mirrored sample on both sides. */
static void line_lift(float *even, float *odd, u32 evens, u32 odds, int is_odd_zero) {
    for (u32 step = 0; step < 4; step += 2) {
        odd[-1] = odd[0];
        if (evens > odds) odd[odds] = odd[odds - 1];
        if (step || !is_odd_zero) lift_half(even, odd - 1, odd, evens, LIFTS[step]);
        if (evens == odds) even[evens] = even[evens - 1];
        lift_half(odd, even, even + 1, odds, LIFTS[step + 1]);
    }
}

ONCE static void line_join(float *line, const float *even, const float *odd, u32 evens, u32 odds) {
    u32 each = 0;
    for (; each + LANES <= odds; each += LANES) {
        f32x4 one = load4(even + each), other = load4(odd + each);
        store4(line + 2 * each, __builtin_shufflevector(one, other, 0, 4, 1, 5));
        store4(line + 2 * each + LANES, __builtin_shufflevector(one, other, 2, 6, 3, 7));
    }
    for (; each < odds; each++) {
        line[2 * each] = even[each];
        line[2 * each + 1] = odd[each];
    }
    if (evens > odds) line[2 * odds] = even[odds];
}

ONCE static void line_pick(float *line, const float *even, const float *odd, const u32 *columns, u32 count) {
    for (u32 each = 0; each < count; each++) line[each] = (columns[each] & 1 ? odd : even)[columns[each] >> 1];
}

/* The line at some place along the other axes, before they are lifted. */
ONCE static void line_make(Scale *scale, const Sum *sum, const u32 *place, float *line) {
    const u32 last = MOST_AXES - 1;
    u32 size = scale->sizes[last], evens = (size + 1) / 2, odds = size / 2, orientation = 0;
    u64 node = 0;
    float gain = 1.0f;
    for (u32 axis = 0; axis < last; axis++) {
        u32 high = place[axis] & 1;
        node = node * scale->nodes[axis] + (place[axis] >> 1);
        orientation |= high << (last - axis);
        if (scale->sizes[axis] > 1) gain *= high ? GAIN : 1.0f / GAIN;
    }
    node *= scale->nodes[last];
    float even_gain = size > 1 ? gain / GAIN : gain;
    float *even = scale->even + LANES, *odd = scale->odd + LANES;
    int have_even = 0, have_odd = 0;
    if (!orientation)
        for (u32 each = 0; each < sum->coarse_count; each++)
            have_even = add_coarse(even, sum->coarse[each].values + node, evens, sum->coarse[each].weight * even_gain, have_even);
    for (u32 each = 0; each < sum->fine_count; each++) {
        const Fine *fine = sum->fine + each;
        if (orientation)
            have_even = add_fine(even, scale->integers + fine->bands[orientation - 1].first + node, evens,
                                 fine->weight * even_gain, have_even);
        if (odds)
            have_odd = add_fine(odd, scale->integers + fine->bands[orientation].first + node, odds,
                                fine->weight * gain * GAIN, have_odd);
    }
    if (!have_even && !have_odd) {
        for (u32 each = 0; each < scale->line; each++) line[each] = 0.0f;
        return;
    }
    if (!have_even)
        for (u32 each = 0; each < evens; each++) even[each] = 0.0f;
    if (!have_odd)
        for (u32 each = 0; each < odds; each++) odd[each] = 0.0f;
    if (odds) line_lift(even, odd, evens, odds, !have_odd);
    if (scale->columns)
        line_pick(line, even, odd, scale->columns, scale->line);
    else
        line_join(line, even, odd, evens, odds);
}

/* Lift along an axis whose samples are `inner` numbers apart, as few rows at a time as can be; odd ones that are zero
 * change no even ones before they are lifted themselves. */
ONCE static void lift_at(const Sum *sum, float *rows, u32 size, u32 inner, u32 first, u32 at) {
    for (u32 step = sum->fine_count ? 0 : 1; step < 4 && step <= at; step++) {
        u32 here = at - step;
        if (here >= size) continue;
        u32 before = here ? here - 1 : 1, after = here + 1 < size ? here + 1 : size - 2;
        lift_half(rows + (u64)(here - first) * inner, rows + (u64)(before - first) * inner,
                  rows + (u64)(after - first) * inner, inner, LIFTS[step]);
    }
}

static void row_fill(Scale *scale, const Sum *sum, u32 row, float *to) {
    const u32 last = MOST_AXES - 1;
    u32 place[MOST_AXES] = {0}, inner = scale->line;
    if (!is_near(scale, row)) {
        for (u32 each = 0; each < scale->plane; each++) to[each] = 0.0f;
        return;
    }
    place[scale->axis] = row;
    for (u32 line = 0; line < scale->plane; line += inner) {
        line_make(scale, sum, place, to + line);
        for (u32 axis = last; axis-- > scale->axis + 1;) {
            if (++place[axis] < scale->sizes[axis]) break;
            place[axis] = 0;
        }
    }
    for (u32 axis = last; axis-- > scale->axis + 1; inner *= scale->sizes[axis]) {
        u32 count = scale->sizes[axis], run = count * inner;
        if (count > 1)
            for (u32 start = 0; start < scale->plane; start += run)
                for (u32 at = 0; at < count + 3; at += 2) lift_at(sum, to + start, count, inner, 0, at);
    }
}

/* Whether it is made of nothing: its rows are zero as they were taken. */
static int is_zero(const Sum *sum) { return !sum->coarse_count && !sum->fine_count; }

ONCE void scale_advance(Scale *scale, Sum *sums, u32 count, u32 from, u32 until) {
    u32 rows = scale->sizes[scale->axis], plane = scale->plane;
    if (from > scale->first) {
        u64 drop = (u64)(from - scale->first) * plane, kept = (u64)(scale->filled - from) * plane;
        for (u32 each = 0; each < count; each++) __builtin_memmove(sums[each].rows, sums[each].rows + drop, kept * sizeof(float));
        scale->first = from;
    }
    /* A row is done two lifts after its own. */
    u32 end = until < rows ? until + 2 : rows + 3;
    for (; scale->next < end; scale->next += 2) {
        u32 fill = scale->next + 2 < rows ? scale->next + 2 : rows;
        for (; scale->filled < fill; scale->filled++)
            for (u32 each = 0; each < count; each++)
                if (!is_zero(sums + each))
                    row_fill(scale, sums + each, scale->filled, sums[each].rows + (u64)(scale->filled - scale->first) * plane);
        if (rows > 1)
            for (u32 each = 0; each < count; each++)
                if (!is_zero(sums + each)) lift_at(sums + each, sums[each].rows, rows, plane, scale->first, scale->next);
    }
}

/* One channel from the coarsest scale to that of spacing 2; 0 if no level of it was read. */
static float *channel(const Layout *layout, const i32 *integers, u32 field, u32 colour, Scale *scales, float *room, float *out) {
    const Description *d = layout->description;
    const Subband *low = layout->subbands + colour;
    const float *have = 0;
    float *ends[2] = {room, out};
    /* The last scale ends in `out`. */
    u32 turn = (d->scales - 1) & 1;
    if (field == 0) {
        float *to = ends[d->scales > 1 ? !turn : 1];
        for (u32 node = 0; node < low->count; node++) to[node] = (float)integers[low->first + node];
        have = to;
    }
    for (u32 level = 1; level < d->scales; level++, turn = !turn) {
        const Subband *bands = level_bands(layout, level, colour);
        int own = bands->field == field && level < layout->levels;
        if (!have && !own) continue;
        Coarse coarse = {have, 1.0f};
        Fine fine = {bands, 1.0f};
        Sum sum = {.coarse = &coarse, .fine = &fine, .coarse_count = have != 0, .fine_count = (u32)own, .rows = ends[turn]};
        Scale *scale = scales + level;
        scale->first = scale->filled = scale->next = 0;
        scale_advance(scale, &sum, 1, 0, scale->sizes[scale->axis]);
        have = ends[turn];
    }
    return have ? out : 0;
}

ONCE float **wavelets_coarse(const Layout *layout, const i32 *integers) {
    const Description *d = layout->description;
    u32 channels = own_fields(layout) * d->colours;
    u64 nodes = layout->subbands[layout->subband_count - 1].count;
    Scale scales[MOST_SCALES];
    for (u32 level = 1; level < d->scales; level++)
        if (!scale_begin(scales + level, layout, integers, d->scales - level, 0)) return 0;
    float **all = memory_take((u64)channels * sizeof(float *));
    float *room = memory_take((nodes + SLACK) * sizeof(float));
    if (!all || !room) return 0;
    for (u32 each = 0; each < channels; each++) {
        float *out = memory_take((nodes + SLACK) * sizeof(float));
        if (!out) return 0;
        all[each] = channel(layout, integers, each / d->colours, each % d->colours, scales, room, out);
    }
    return all;
}
