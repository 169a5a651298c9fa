#include "subbands.h"

#include "memory.h"
#include "node.h"

static inline i32 median(i32 west, i32 north, i32 north_west) {
    i32 low = west < north ? west : north, high = west < north ? north : west;
    return north_west >= high ? low : north_west <= low ? high : west + north - north_west;
}

/* What the low-pass integers before a node lead to expect: the mean, over pairs of axes, of the median edge. */
static i32 predicted(const Work *work, const Node *node) {
    const Surroundings *s = &work->around;
    u32 axes = s->last + 1, step = 1;
    u32 steps[MOST_AXES];
    int inside[MOST_AXES];
    for (u32 axis = axes; axis-- > 0; step *= s->band->nodes[axis]) {
        steps[axis] = step;
        inside[axis] = (axis == s->last ? node->node : node->place[axis]) > 0;
    }
    const i32 *here = work->integers + node->flat;
    if (axes == 1) return inside[0] ? here[-1] : 0;
    i64 sum = 0, pairs = 0;
    for (u32 one = 0; one < axes; one++)
        for (u32 other = one + 1; other < axes; other++) {
            if (!inside[one] && !inside[other]) continue;
            pairs++;
            if (inside[one] && inside[other])
                sum += median(here[-(i32)steps[one]], here[-(i32)steps[other]], here[-(i32)(steps[one] + steps[other])]);
            else sum += here[-(i32)steps[inside[one] ? one : other]];
        }
    if (!pairs) return 0;
    return (i32)((sum + (sum < 0 ? -(pairs / 2) : pairs / 2)) / pairs);
}

/* One row of nodes, the first of which is `flat`. */
ONCE static void code_row(Work *work, const u32 *place, u32 flat, int decoding) {
    Surroundings *s = &work->around;
    u32 count = s->band->nodes[s->last], is_low = s->band->level == 0;
    Node node = {.place = place, .flat = flat};
    i32 row = s->own.origin;
    for (u32 axis = 0; axis < s->last; axis++) row += (i32)(place[axis] * s->own.strides[axis]);
    /* It is summed up with its neighbours, many nodes at a time. */
    coder_work(work->coder, count + s->before_count + 32);
    if (work->coder->failed) return;
    surroundings_row(s, place);
    for (; node.node < count; node.node++, node.flat++) {
        node.at = row + (i32)node.node;
        if (!is_low && node.node % RUN == 0) {
            u32 run = least(RUN, count - node.node);
            if (code_run(work, &node, run, decoding)) {
                node.node += run - 1;
                node.flat += run - 1;
                continue;
            }
        }
        i32 guess = is_low ? predicted(work, &node) : 0, *integer = work->integers + node.flat;
        i32 value = code_node(work, &node, decoding ? 0 : *integer - guess, decoding);
        if (decoding) {
            *integer = value + guess;
            if (magnitude(*integer) > LARGEST_VALUE) work->coder->failed = CORE_OUT_OF_RANGE;
        }
        s->own.nodes[node.at] = (i8)near(value);
        if (work->coder->failed) return;
    }
}

/* Magnitudes of all orientations before the next one. */
ONCE static void add_siblings(i8 *restrict all, const i8 *restrict own, u32 bytes) {
    for (u32 byte = 0; byte < bytes; byte++) all[byte] = (i8)least((u32)all[byte] + magnitude(own[byte]), NEAREST);
}

static void code_subband(Work *work, int decoding) {
    Surroundings *s = &work->around;
    const Subband *band = s->band;
    u32 place[MOST_AXES] = {0}, count = band->nodes[s->last];
    for (u32 flat = 0; flat < band->count; flat += count) {
        code_row(work, place, flat, decoding);
        if (work->coder->failed) return;
        for (u32 axis = s->last; axis-- > 0;) {
            if (++place[axis] < band->nodes[axis]) break;
            place[axis] = 0;
        }
    }
    if (s->siblings.nodes) add_siblings(s->siblings.nodes, s->own.nodes, (band->nodes[0] + BORDER) * s->own.strides[0]);
}

static u32 set_number(const Layout *layout, const Subband *band) {
    return (band->level ? least(layout->description->scales - band->level, 3) : 4) * 3 + least(band->colour, 2);
}

/* Turn to a subband; what was learned in the same orientation of the level before is where it begins to learn. */
SELDOM static void turn_to(Work *work, const Layout *layout, const Plane *planes, u32 number, i8 *siblings) {
    Surroundings *s = &work->around;
    const Subband *band = layout->subbands + number;
    u32 kinds = band->level ? layout->kinds : 1, level = kinds * layout->description->colours;
    s->layout = layout;
    s->band = band;
    s->own = planes[number];
    s->colour = band->colour ? planes[number - kinds] : (Plane){0};
    s->parent = band->level > 1 ? planes[number - level] : (Plane){0};
    s->siblings = band->level && kinds > 1 ? s->own : (Plane){0};
    if (s->siblings.nodes) s->siblings.nodes = siblings;
    for (u32 byte = 0; band->orientation == 1 && byte < s->siblings.bytes; byte++) siblings[byte] = 0;
    surroundings_begin(s);
    work->planes = planes + number;
    work->before = band->level ? band->orientation - 1 : 0;
    work->band_set = set_number(layout, band);
    work->band_id = work->band_set * 16 + band->orientation;
    work->is_chroma = band->colour > 0;
    if (band->level > 1) {
        u32 former = set_number(layout, band - level) * 16 + band->orientation;
        for (u32 each = 0; each < SEEN; each++)
            work->model.expectations[work->band_id][each] = work->model.expectations[former][each];
        for (u32 each = 0; each < SIGNED; each++)
            work->model.guesses[work->band_id][each] = work->model.guesses[former][each];
    }
}

/* Levels end before the bytes do if only the first ones are wanted; what follows them is neither read nor checked. */
static inline i32 code_all(const Layout *layout, i32 *integers, Coder *coder, Levels *levels, int decoding) {
    static Work work;
    Rows *rows = &work.around.rows;
    coarse_begin();
    logistic_begin();
    mixer_begin();
    u32 last = layout->description->axes - 1;
    work.values = last ? ((last + 1) * 10 + 10 + 3) & ~3u : 20;
    u64 longest = layout->subbands[layout->subband_count - 1].nodes[last] + 32; /* the finest level is the largest */
    u16 **sums[] = {&rows->before[ALONG], &rows->before[ACROSS], &rows->before[CORNER], &rows->before[WIDE],
                    &rows->parent, &rows->siblings, &rows->colour, &rows->active, &rows->scratch};
    for (u32 each = 0; each < sizeof(sums) / sizeof(*sums); each++)
        if (!(*sums[each] = memory_take(longest * sizeof(u16)))) return CORE_NO_MEMORY;
    rows->outside = memory_take(longest * sizeof(i32));
    Plane siblings, *planes = memory_take((u64)layout->subband_count * sizeof(Plane));
    if (!rows->outside || !planes || !model_begin(&work.model)) return CORE_NO_MEMORY;
    for (u32 number = 0; number < layout->subband_count; number++)
        if (!plane_take(layout, layout->subbands + number, planes + number)) return CORE_NO_MEMORY;
    if (!plane_take(layout, layout->subbands + layout->subband_count - 1, &siblings)) return CORE_NO_MEMORY;
    u8 *room = decoding ? 0 : memory_take(CODER_ROOM); /* taken last, as it grows */
    if (!decoding && !room) return CORE_NO_MEMORY;
    coder_begin(coder, decoding ? coder->bytes : room, decoding ? coder->size : CODER_ROOM, decoding);
    work.coder = coder;
    for (u32 number = 0; number < layout->subband_count; number++) {
        coder_work(coder, 1000); /* 5^4 places may be neighbours */
        turn_to(&work, layout, planes, number, siblings.nodes);
        work.integers = integers + layout->subbands[number].first;
        code_subband(&work, decoding);
        if (coder->failed) return coder->failed;
        u32 level = layout->subbands[number].level;
        if (number + 1 < layout->subband_count && layout->subbands[number + 1].level == level) continue;
        levels->ends[level] = coder->position + (decoding ? coder->beyond : CODER_BEYOND); /* read ahead */
        if (decoding && level + 1 == levels->wanted) return CORE_FINE;
    }
    i32 answer = coder_end(coder, decoding);
    for (u32 level = 0; level <= layout->description->scales; level++) /* no byte is beyond the end */
        levels->ends[level] = least(levels->ends[level], decoding ? coder->size : coder->position);
    return answer;
}

i32 subbands_decode(const Layout *layout, i32 *integers, Coder *coder, Levels *levels) {
    return code_all(layout, integers, coder, levels, 1);
}

i32 subbands_encode(const Layout *layout, i32 *integers, Coder *coder, Levels *levels) {
    return code_all(layout, integers, coder, levels, 0);
}
