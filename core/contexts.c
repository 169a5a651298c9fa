#include "contexts.h"

#include "memory.h"

/* Shares of magnitudes in the expected one, and what they count: as the coder before this one had them. */
enum {
    SHARE_ALONG = 24,
    SHARE_ACROSS = 10,
    SHARE_DIAGONAL = 14,
    SHARE_LOW = 16,
    SHARE_CORNER = 7,
    SHARE_PARENT = 3, /* beside one for it as one of the 3^D around */
    SHARE_SIBLING = 2,
    SIBLING_COUNT = 4,
    SHARE_COLOUR = 3,
    COLOUR_COUNT = 4,
};

u8 coarse_table[COARSE];

void coarse_begin(void) {
    for (u32 sum = 0; sum < COARSE; sum++) coarse_table[sum] = (u8)coarse_of(sum);
}

int plane_take(const Layout *layout, const Subband *band, Plane *plane) {
    u64 bytes = 1, slack = 32;
    for (i32 axis = MOST_AXES - 1; axis >= 0; axis--) {
        u32 is_used = (u32)axis < layout->description->axes;
        plane->strides[axis] = (u32)bytes;
        bytes *= band->nodes[axis] + (is_used ? BORDER : 0);
        if (bytes > 1ull << 31) return 0;
    }
    plane->origin = 0;
    for (u32 axis = 0; axis < layout->description->axes; axis++) {
        plane->origin += BORDER * (i32)plane->strides[axis];
        slack += BORDER * (u64)plane->strides[axis];
    }
    if (bytes + slack > 1ull << 31) return 0;
    plane->bytes = (u32)(bytes + slack);
    plane->nodes = memory_take(plane->bytes);
    return plane->nodes != 0;
}

static i32 face_share(u32 orientation, u32 axis, u32 axes, u32 is_low, i32 *kind) {
    u32 across = is_high(orientation, axis, axes);
    *kind = across ? ACROSS : ALONG;
    if (is_low) return SHARE_LOW;
    if (orientation == (1u << axes) - 1) return SHARE_DIAGONAL;
    return across ? SHARE_ACROSS : SHARE_ALONG;
}

void surroundings_begin(Surroundings *s) {
    const Subband *band = s->band;
    u32 axes = s->layout->description->axes, is_low = band->level == 0, combinations = 1, around = 1;
    s->before_count = 0;
    s->last = axes - 1;
    i32 own = 0, outside = 0;
    for (int kind = 0; kind < BEFORE_KINDS; kind++) s->shares[kind] = 0;
    s->share_row = face_share(band->orientation, s->last, axes, is_low, &s->row_kind);
    s->shares[s->row_kind] = s->share_row;
    own += s->share_row;
    for (u32 axis = 0; axis < axes; axis++) {
        combinations *= 5;
        around *= 3;
    }
    /* Every step of -2 to 2 along each axis that leads to a row before: all within one, and straight ones of two, or
       of two along one axis and one along the last. */
    for (u32 combination = 0; combination < combinations; combination++) {
        i32 steps[MOST_AXES], distance = 0, moved = 0, farthest = 0, leading = 0, total = 0;
        u32 rest = combination, axis_moved = 0;
        for (u32 axis = axes; axis-- > 0; rest /= 5) {
            steps[axis] = (i32)(rest % 5) - 2;
            distance += steps[axis] * (i32)s->own.strides[axis];
            i32 size = steps[axis] < 0 ? -steps[axis] : steps[axis];
            moved += size > 0;
            total += size;
            farthest = size > farthest ? size : farthest;
            if (steps[axis]) leading = steps[axis], axis_moved = axis;
        }
        if (leading >= 0 || axis_moved == s->last) continue;
        i32 kind;
        if (farthest == 1 && moved == 1) {
            i32 share = face_share(band->orientation, axis_moved, axes, is_low, &kind);
            s->shares[kind] = share;
            own += share;
        } else if (farthest == 1) {
            kind = CORNER;
            s->shares[kind] = SHARE_CORNER;
            own += SHARE_CORNER;
        } else if (moved == 1 || (total == 3 && moved == 2)) {
            int ahead = 0;
            for (u32 axis = 0; axis < s->last; axis++) ahead |= steps[axis] > 1;
            if (ahead) continue;
            kind = WIDE;
        } else {
            continue;
        }
        s->before[s->before_count++] = (Before){distance, kind};
    }
    if (s->parent.nodes) outside += 2 * (SHARE_PARENT + (i32)around);
    outside += SIBLING_COUNT * (is_low ? 0 : (i32)band->orientation - 1);
    if (s->colour.nodes) outside += COLOUR_COUNT;
    s->reciprocal = (1u << 24) / (u32)(own + outside);
    s->reciprocal_own = (1u << 24) / (u32)own;
    s->reciprocal_outside = (1u << 24) / (u32)(outside ? outside : 1);
}

static void add_magnitudes(u16 *restrict sums, const i8 *restrict nodes, u32 count) {
    for (u32 node = 0; node < count; node++) sums[node] += (u16)(nodes[node] < 0 ? -nodes[node] : nodes[node]);
}

static void clear(u16 *restrict sums, u32 count) {
    for (u32 node = 0; node < count; node++) sums[node] = 0;
}

/* Sums over the 3^D nodes around each node of a row of a plane. */
static void box_row(const Plane *plane, i32 row, u32 count, u32 axes, u16 *restrict sums, u16 *restrict scratch) {
    u32 combinations = 1;
    for (u32 axis = 0; axis + 1 < axes; axis++) combinations *= 3;
    clear(scratch, count + 2);
    for (u32 combination = 0; combination < combinations; combination++) {
        i32 distance = row - 1;
        u32 rest = combination;
        for (u32 axis = 0; axis + 1 < axes; axis++, rest /= 3) distance += ((i32)(rest % 3) - 1) * (i32)plane->strides[axis];
        add_magnitudes(scratch, plane->nodes + distance, count + 2);
    }
    for (u32 node = 0; node < count; node++) sums[node] = scratch[node] + scratch[node + 1] + scratch[node + 2];
}

static i32 row_of(const Plane *plane, const u32 *place, u32 last, u32 halved) {
    i32 row = plane->origin;
    for (u32 axis = 0; axis < last; axis++) row += (i32)((place[axis] >> halved) * plane->strides[axis]);
    return row;
}

static void add(u16 *restrict all, const u16 *restrict some, u32 count) {
    for (u32 node = 0; node < count; node++) all[node] |= some[node];
}

ONCE void surroundings_row(Surroundings *s, const u32 *place) {
    u32 last = s->last, axes = last + 1, count = s->band->nodes[last];
    i32 row = row_of(&s->own, place, last, 0);
    Rows *rows = &s->rows;
    i32 *restrict outside = rows->outside;
    for (int kind = 0; kind < BEFORE_KINDS; kind++) clear(rows->before[kind], count);
    for (u32 before = 0; before < s->before_count; before++)
        add_magnitudes(rows->before[s->before[before].kind], s->own.nodes + row + s->before[before].distance, count);
    clear(rows->active, count);
    for (int kind = 0; kind < BEFORE_KINDS; kind++) add(rows->active, rows->before[kind], count);
    for (u32 node = 0; node < count; node++) outside[node] = 0;
    if (s->parent.nodes) {
        i32 above = row_of(&s->parent, place, last, 1);
        const i8 *centre = s->parent.nodes + above;
        const u16 *parents = rows->parent;
        box_row(&s->parent, above, (count + 1) >> 1, axes, rows->parent, rows->scratch);
        for (u32 node = 0; node < count; node++) {
            outside[node] = parents[node >> 1] + SHARE_PARENT * (i32)magnitude(centre[node >> 1]);
            rows->active[node] |= parents[node >> 1];
        }
    }
    if (s->siblings.nodes) {
        i32 beside = row_of(&s->siblings, place, last, 0);
        const i8 *centre = s->siblings.nodes + beside;
        const u16 *siblings = rows->siblings;
        box_row(&s->siblings, beside, count, axes, rows->siblings, rows->scratch);
        for (u32 node = 0; node < count; node++) outside[node] += siblings[node] + SHARE_SIBLING * centre[node];
        add(rows->active, siblings, count);
    }
    if (s->colour.nodes) {
        i32 beside = row_of(&s->colour, place, last, 0);
        const i8 *centre = s->colour.nodes + beside;
        box_row(&s->colour, beside, count, axes, rows->colour, rows->scratch);
        for (u32 node = 0; node < count; node++) outside[node] += SHARE_COLOUR * (i32)magnitude(centre[node]);
        add(rows->active, rows->colour, count);
    }
}
