#include "wavelets.h"

#include "memory.h"

enum { SHARED_FIELD = 0, OWN_FIELDS = 3 };
static const float SCALE = 1.149604398860241f;

/* Samples of one parity, runs of `inner` numbers each, take a share of their neighbours; the ends are mirrors. */
static void lift(float *values, u32 count, u32 inner, u32 parity, float factor) {
    for (u32 at = parity; at < count; at += 2) {
        u32 before = at ? at - 1 : 1, after = at + 1 < count ? at + 1 : count - 2;
        float *here = values + (u64)at * inner;
        const float *left = values + (u64)before * inner, *right = values + (u64)after * inner;
        for (u32 each = 0; each < inner; each++) here[each] += factor * (left[each] + right[each]);
    }
}

static void step_along(float *values, u32 count, u32 inner) {
    if (count == 1) return;
    for (u32 at = 0; at < count; at++) {
        float scale = at & 1 ? SCALE : 1.0f / SCALE, *here = values + (u64)at * inner;
        for (u32 each = 0; each < inner; each++) here[each] *= scale;
    }
    lift(values, count, inner, 0, -0.443506852043971f);
    lift(values, count, inner, 1, -0.882911075530934f);
    lift(values, count, inner, 0, 0.052980118572961f);
    lift(values, count, inner, 1, 1.586134342059924f);
}

/* Put nodes where their parities along each axis (high-pass is odd) belong; one node too many is left out. */
static void place(float *to, const u32 *sizes, const u32 *nodes, u32 orientation, u32 axes, const void *from, int whole) {
    u32 at[MOST_AXES] = {0}, count = 1;
    for (u32 axis = 0; axis < axes; axis++) count *= nodes[axis];
    for (u32 node = 0; node < count; node++) {
        u64 flat = 0;
        int inside = 1;
        for (u32 axis = 0; axis < axes; axis++) {
            u32 position = 2 * at[axis] + is_high(orientation, axis, axes);
            inside &= position < sizes[axis];
            flat = flat * sizes[axis] + position;
        }
        if (inside) to[flat] = whole ? (float)((const i32 *)from)[node] : ((const float *)from)[node];
        for (u32 axis = axes; axis-- > 0;) {
            if (++at[axis] < nodes[axis]) break;
            at[axis] = 0;
        }
    }
}

float *wavelets_fields(const Layout *layout, const i32 *integers) {
    const Description *d = layout->description;
    u32 axes = d->axes, fields = 1 + (d->scales < OWN_FIELDS ? d->scales : OWN_FIELDS);
    u64 samples = 1;
    for (u32 axis = 0; axis < axes; axis++) samples *= d->samples[axis];
    float *all = memory_take(samples * fields * d->colours * sizeof(float));
    float *coarse = memory_take(samples * sizeof(float));
    if (!all || !coarse) return 0;
    for (u32 channel = 0; channel < fields * d->colours; channel++) {
        u32 field = channel / d->colours, colour = channel % d->colours;
        float *out = all + channel * samples;
        int any = field == SHARED_FIELD;
        for (u32 node = 0; any && node < layout->subbands[colour].count; node++)
            coarse[node] = (float)integers[layout->subbands[colour].first + node];
        for (u32 level = 1; level <= d->scales; level++) {
            const Subband *bands = layout->subbands + d->colours + ((level - 1) * d->colours + colour) * layout->kinds;
            u32 sizes[MOST_AXES], scale = d->scales - level;
            u64 total = 1;
            int own = bands->field == field;
            if (!any && !own) continue;
            for (u32 axis = 0; axis < axes; axis++) total *= sizes[axis] = ((d->samples[axis] - 1) >> scale) + 1;
            for (u64 each = 0; each < total; each++) out[each] = 0;
            if (any) place(out, sizes, bands->nodes, 0, axes, coarse, 0);
            for (u32 kind = 0; own && kind < layout->kinds; kind++)
                place(out, sizes, bands->nodes, bands[kind].orientation, axes, integers + bands[kind].first, 1);
            u32 inner = 1;
            for (u32 axis = axes; axis-- > 0; inner *= sizes[axis]) {
                u64 run = (u64)sizes[axis] * inner;
                for (u64 start = 0; start < total; start += run) step_along(out + start, sizes[axis], inner);
            }
            any = 1;
            for (u64 each = 0; level < d->scales && each < total; each++) coarse[each] = out[each];
        }
    }
    return all;
}
