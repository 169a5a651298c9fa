/* One node: its magnitude and its sign, by contexts of what is around it. Included by subbands.c alone. */
#ifndef CORE_NODE_H
#define CORE_NODE_H

#include "contexts.h"
#include "learner.h"
#include "mixer.h"

enum {
    ONE_BY_ONE = 4,                  /* magnitudes up to here have a step each; above, two steps for every doubling */
    MOST_STEPS = ONE_BY_ONE + 2 * 28, /* up to 2^30 */
    RUN = 32,                        /* quiet nodes of a row whose zeros are told at once */
    OWN_STEPS = 20,                  /* steps from the last of these on share counters */
    BAND_SETS = 5 * 3,               /* scales from the finest, low-pass; first, second, other colours */
    BAND_IDS = BAND_SETS * 16,       /* and orientations */
    CLASSES = 48,                    /* of expected magnitudes, as `coarse` of 2^-10 makes them */
    SEEN = 24,                       /* magnitudes that the learned expectation is made of */
    SIGNED = 52,                     /* values that the learned guess is made of; the rest are 0 */
    MOST_SEEN = 63,
    VALUE_COUNTERS = 7,
    VALUE_INPUTS = VALUE_COUNTERS + 5, /* of which two are 0, for the sake of vectors */
    VALUE_SETS = 3,
    SIGN_COUNTERS = 7,
    SIGN_INPUTS = SIGN_COUNTERS + 1 + SIGNED,
    SIGN_SETS = 2,
    VALUE_RATE = 256, SIGN_RATE = 1024,
    VALUE_WEIGHT = WEIGHT_ONE / 10, SIGN_WEIGHT = WEIGHT_ONE * 3 / 20,
    EXPECTATION_RATE = 300, EXPECTATION_CALM = 4, EXPECTATION_MOST = 1 << 20,
    ACTIVE_FROM = 20, /* the class of the expected magnitude below which a node is calm */
    CALM_COUNTERS = 3,
    CALM_INPUTS = CALM_COUNTERS + 1,
    CALM_WEIGHT = WEIGHT_ONE * 3 / 8,
    GUESS_RATE = 1024, GUESS_CALM = 8, GUESS_MOST = 1 << 17,
};

/* What has been learned so far. */
typedef struct {
    Counter *values[VALUE_COUNTERS]; /* [context][step] */
    Counter *signs[SIGN_COUNTERS];   /* [context] */
    Counter *calm[CALM_COUNTERS];    /* [context]: nodes that have little around them, whether they are 0 */
    Counter *quiet;                  /* [band id][in a run that is not all 0]: nodes that have nothing around them */
    Counter *runs;                   /* [band id]: runs of such nodes, whether all are 0 */
    Counter *rest;                   /* [step]: the first bit of what a step leaves open */
    Weight *value_sets[VALUE_SETS], *sign_sets[SIGN_SETS], *calm_set;
    i32 (*expectations)[SEEN]; /* [band id], units of 2^-16 */
    i32 (*guesses)[SIGNED];
} Model;

/* A subband at work. */
typedef struct {
    Surroundings around;
    Model model;
    Coder *coder;
    i32 *integers;       /* of the subband */
    const Plane *planes; /* of this subband; those before it in its level and colour lie before it */
    u32 before;          /* how many there are */
    u32 band_set, band_id, is_chroma;
    u32 values;          /* of SIGNED that are not 0 for want of axes; a multiple of 4 */
} Work;

/* A node at work. */
typedef struct {
    const u32 *place; /* along all axes but the last */
    u32 node;         /* along the last axis */
    u32 flat;         /* in the order of the integers */
    u32 is_in_run;    /* of quiet nodes that are not all 0 */
    i32 at;           /* in the plane */
} Node;

static const u32 value_contexts[VALUE_COUNTERS] = {
    BAND_IDS * (CLASSES / 3), 16 * 16 * 8, 8 * 16 * 8 * 3, 4 * 4 * 3 * 3 * 2 * 2 * 3 * 2,
    64 * 6, 32 * 24, 32 * 24 * 2,
};
static const u32 value_sets[VALUE_SETS] = {3, 6 * 3, 27 * 2};
static const u32 sign_contexts[SIGN_COUNTERS] = {81 * 16, 27 * 16, 243 * 16, 27 * 256, 81 * 16, 81 * 16, 32 * 16};
static const u32 calm_contexts[CALM_COUNTERS] = {BAND_IDS * ACTIVE_FROM, 16 * 16 * 16, 16 * 16 * ACTIVE_FROM};
static const u32 sign_sets[SIGN_SETS] = {BAND_IDS, 16};

SELDOM static int model_begin(Model *model) {
    int fine = 1;
    for (u32 each = 0; each < VALUE_COUNTERS; each++)
        fine &= (model->values[each] = counters_take(value_contexts[each] * OWN_STEPS)) != 0;
    for (u32 each = 0; each < SIGN_COUNTERS; each++) fine &= (model->signs[each] = counters_take(sign_contexts[each])) != 0;
    for (u32 each = 0; each < VALUE_SETS; each++)
        fine &= (model->value_sets[each] = sets_take(value_sets[each], VALUE_INPUTS, VALUE_COUNTERS, VALUE_WEIGHT)) != 0;
    for (u32 each = 0; each < SIGN_SETS; each++)
        fine &= (model->sign_sets[each] = sets_take(sign_sets[each], SIGN_INPUTS, SIGN_COUNTERS, SIGN_WEIGHT)) != 0;
    for (u32 each = 0; each < CALM_COUNTERS; each++) fine &= (model->calm[each] = counters_take(calm_contexts[each])) != 0;
    fine &= (model->calm_set = sets_take(1, CALM_INPUTS, CALM_COUNTERS, CALM_WEIGHT)) != 0;
    fine &= (model->quiet = counters_take(BAND_IDS * 2)) != 0;
    fine &= (model->runs = counters_take(BAND_IDS)) != 0;
    fine &= (model->rest = counters_take(MOST_STEPS + 1)) != 0;
    fine &= (model->expectations = memory_take(BAND_IDS * sizeof(*model->expectations))) != 0;
    fine &= (model->guesses = memory_take(BAND_IDS * sizeof(*model->guesses))) != 0;
    for (u32 id = 0; fine && id < BAND_IDS; id++)
        for (u32 each = 0; each < 4; each++) model->expectations[id][each] = WEIGHT_ONE * 3 / 20;
    return fine;
}

static inline Weight *set_of(Weight *sets, u32 set, u32 inputs) { return sets + set * (1 + inputs); }

/* The step of a magnitude. */
static inline u32 step_of(u32 size) {
    if (size <= ONE_BY_ONE) return size;
    u32 beyond = size - ONE_BY_ONE + 3, octave = 31 - (u32)__builtin_clz(beyond);
    return ONE_BY_ONE + 1 + 2 * (octave - 2) + (beyond >> (octave - 1) & 1);
}

/* The first magnitude of a step, of 2^bits. */
static inline u32 first_of(u32 step, u32 *bits) {
    *bits = 0;
    if (step <= ONE_BY_ONE) return step;
    u32 beyond = step - ONE_BY_ONE - 1;
    *bits = beyond / 2 + 1;
    return ONE_BY_ONE - 3 + ((2 + (beyond & 1)) << *bits);
}

/* Which of the magnitudes of a step: the first bit is learned, the others are as likely as not. */
static inline u32 code_rest(Work *work, u32 step, u32 rest, u32 bits, int decoding) {
    u32 found = 0;
    coder_work(work->coder, bits);
    for (u32 below = bits; below-- > 0;) {
        u32 bit = rest >> below & 1;
        bit = below + 1 == bits ? decide_alone(work->coder, work->model.rest + step, bit, decoding)
                                : coder_decide(work->coder, 32768, bit, decoding);
        found = found << 1 | bit;
    }
    return found;
}

static inline i32 near(i32 value) { return (i32)held(value, -NEAREST, NEAREST); }

static inline i32 place_in(const Plane *plane, const Node *node, u32 last, u32 halved) {
    i32 at = plane->origin + (i32)(node->node >> halved);
    for (u32 axis = 0; axis < last; axis++) at += (i32)((node->place[axis] >> halved) * plane->strides[axis]);
    return at;
}

static inline u32 gather_cross(const i8 *nodes, i32 at, const u32 *strides, u32 axes, i32 *values) {
    u32 count = 0;
    values[count++] = nodes ? nodes[at] : 0;
    for (u32 axis = 0; axis < axes; axis++) {
        i32 step = (i32)strides[axis];
        values[count++] = nodes ? nodes[at - step] : 0;
        values[count++] = nodes ? nodes[at + step] : 0;
    }
    return count;
}

/* Values around a node, signs and all: of this subband, the colour before, two orientations before, the parent. */
ONCE static void gather(const Work *work, const Node *node, i32 *values) {
    const Surroundings *s = &work->around;
    const i8 *here = s->own.nodes + node->at;
    u32 axes = s->last + 1, count = 0;
    for (u32 axis = 0; axis < axes; axis++) {
        values[count++] = here[-(i32)s->own.strides[axis]];
        values[count++] = here[-2 * (i32)s->own.strides[axis]];
    }
    if (axes > 1) {
        i32 stride = (i32)s->own.strides[s->last - 1];
        values[count++] = here[-stride - 1];
        values[count++] = here[-stride + 1];
        values[count++] = here[-2 * stride - 1];
        values[count++] = here[-2 * stride + 1];
        values[count++] = here[-stride + 2];
        values[count++] = here[-stride - 2];
    } else {
        for (u32 back = 3; back <= 8; back++)
            values[count++] = node->flat >= back ? near(work->integers[node->flat - back]) : 0;
    }
    count += gather_cross(s->colour.nodes, node->at, s->own.strides, axes, values + count);
    for (u32 other = 1; other <= 2; other++) {
        const i8 *nodes = other <= work->before ? work->planes[-(i32)other].nodes : 0;
        count += gather_cross(nodes, node->at, s->own.strides, axes, values + count);
    }
    i32 above = s->parent.nodes ? place_in(&s->parent, node, s->last, 1) : 0;
    count += gather_cross(s->parent.nodes, above, s->parent.strides, axes, values + count);
    while (count < work->values) values[count++] = 0;
}

/* Neighbours before a node along the last axis and the one before it, which 1-D signals do not have. */
typedef struct {
    i32 west, west_west, north, north_north, north_west, north_east;
} Neighbours;

static inline Neighbours neighbours_of(const Surroundings *s, i32 at) {
    const i8 *here = s->own.nodes + at;
    Neighbours found = {.west = here[-1], .west_west = here[-2]};
    if (s->last) {
        i32 stride = (i32)s->own.strides[s->last - 1];
        found.north = here[-stride];
        found.north_north = here[-2 * stride];
        found.north_west = here[-stride - 1];
        found.north_east = here[-stride + 1];
    }
    return found;
}

/* A context of signs: one that is the opposite of another shares its counter, which then forecasts the opposite. */
static inline void sign_context(Decision *decision, u32 number, Counter *counters, const i32 *values, u32 count, u32 others, u32 other) {
    u32 code = 0, opposite = 0;
    for (u32 each = 0; each < count; each++) {
        code = code * 3 + (values[each] > 0 ? 2 : values[each] < 0);
        opposite = opposite * 3 + (values[each] < 0 ? 2 : values[each] > 0);
    }
    u32 mirrored = opposite > code;
    decision->counters[number] = counters + (mirrored ? opposite : code) * others + other;
    decision->mirrored |= mirrored << number;
}

ONCE static u32 code_sign(Work *work, const Node *node, const i32 *values, i32 guess, u32 bit, int decoding) {
    Surroundings *s = &work->around;
    const Model *model = &work->model;
    u32 axes = s->last + 1, kind = s->band->orientation, parity = 0;
    Neighbours near_by = neighbours_of(s, node->at);
    i32 west = near_by.west, north = near_by.north, colour = s->colour.nodes ? s->colour.nodes[node->at] : 0, above = 0;
    if (s->parent.nodes) above = s->parent.nodes[place_in(&s->parent, node, s->last, 1)];
    for (u32 axis = 0; axis < axes; axis++) parity = parity << 1 | ((axis == s->last ? node->node : node->place[axis]) & 1);
    i32 faces[MOST_AXES], beside[MOST_AXES];
    for (u32 axis = 0; axis < axes; axis++) {
        i32 step = (i32)s->own.strides[axis];
        faces[axis] = s->own.nodes[node->at - step];
        beside[axis] = s->colour.nodes ? s->colour.nodes[node->at - step] : 0;
    }
    Decision decision;
    decision.coder = work->coder;
    decision.mirrored = 0;
    decision.rate = SIGN_RATE;
    sign_context(&decision, 0, model->signs[0], faces, axes, 16, kind);
    sign_context(&decision, 1, model->signs[1], (i32[]){colour, west, north}, 3, 16, kind);
    sign_context(&decision, 2, model->signs[2], (i32[]){faces[0], faces[s->last], beside[0], beside[s->last], colour}, 5, 16, kind);
    sign_context(&decision, 3, model->signs[3], (i32[]){above, west, north}, 3, 256, parity * 16 + kind);
    sign_context(&decision, 4, model->signs[4], (i32[]){west, north, near_by.west_west, near_by.north_north}, 4, 16, kind);
    sign_context(&decision, 5, model->signs[5], (i32[]){near_by.north_west, near_by.north_east, north, west}, 4, 16, kind);
    decision.counters[6] = model->signs[6] + least(coarse(magnitude(guess) >> 5), 31) * 16 + kind;
    decision.mirrored |= (u32)(guess < 0) << 6;
    decision.inputs[SIGN_COUNTERS] = (i32)held(guess, -1000, 1000);
    for (u32 each = 0; each < work->values; each++)
        decision.inputs[SIGN_COUNTERS + 1 + each] = (i32)held(values[each], -3, 3) * 64;
    decision.sets[0] = set_of(model->sign_sets[0], work->band_id, SIGN_INPUTS);
    decision.sets[1] = set_of(model->sign_sets[1], kind, SIGN_INPUTS);
    return decide(&decision, SIGN_COUNTERS, SIGN_COUNTERS + 1 + work->values, SIGN_SETS, bit, decoding);
}

/* The magnitudes around an active node, each by its class: what the learned expectation is made of. */
ONCE static void see(const Work *work, const Node *node, const u32 *sums, u32 wide, Neighbours near_by, u32 parent,
                     u32 parents, u32 sibling, u32 siblings, u32 colour, u32 colours, i32 *seen) {
    const Surroundings *s = &work->around;
    u32 found[SEEN] = {magnitude(near_by.west), magnitude(near_by.north), magnitude(near_by.north_west),
                       magnitude(near_by.north_east), magnitude(near_by.west_west), magnitude(near_by.north_north),
                       wide, sums[ALONG] + sums[ACROSS] + sums[CORNER], parent, parents, sibling, siblings, colour,
                       colours, 1, sums[ALONG]};
    for (u32 other = 1; other <= 2 && other <= work->before; other++) {
        const i8 *there = work->planes[-(i32)other].nodes + node->at;
        found[14 + 2 * other] = magnitude(there[0]);
        for (u32 axis = 0; axis <= s->last; axis++) {
            i32 step = (i32)s->own.strides[axis];
            found[15 + 2 * other] += magnitude(there[-step]) + magnitude(there[step]);
        }
    }
    found[20] = s->rows.before[ACROSS][node->node];
    found[21] = s->rows.before[CORNER][node->node];
    if (s->last) {
        i32 stride = (i32)s->own.strides[s->last - 1];
        found[22] = magnitude(s->own.nodes[node->at - stride + 2]);
        found[23] = magnitude(s->own.nodes[node->at - 2 * stride + 1]);
    }
    for (u32 each = 0; each < SEEN; each++) seen[each] = (i32)least(coarse(found[each]), MOST_SEEN);
}

/* Magnitudes around a node in other subbands: at its place, and in the 3^D around. */
typedef struct {
    u32 parent, parents, sibling, siblings, colour, colours;
} Others;

static inline Others others_of(const Surroundings *s, const Node *node) {
    Others found = {0};
    if (s->parent.nodes) {
        found.parent = magnitude(s->parent.nodes[place_in(&s->parent, node, s->last, 1)]);
        found.parents = s->rows.parent[node->node >> 1];
    }
    if (s->siblings.nodes) {
        found.sibling = (u32)s->siblings.nodes[node->at];
        found.siblings = s->rows.siblings[node->node];
    }
    if (s->colour.nodes) {
        found.colour = magnitude(s->colour.nodes[node->at]);
        found.colours = s->rows.colour[node->node];
    }
    return found;
}

/* Whether a node with little around it is not 0, by few contexts: half of the nodes, a twentieth of the bytes. */
ONCE static u32 decide_calm(Work *work, u32 expected, u32 beside, u32 wide, const Others *others, u32 bit, int decoding) {
    const Model *model = &work->model;
    const u32 contexts[CALM_COUNTERS] = {
        work->band_id * ACTIVE_FROM + expected,
        (least(coarse(others->parents), 15) * 16 + least(coarse(others->siblings), 15)) * 16 + least(coarse(beside), 15),
        (least(coarse(others->colours), 15) * 16 + least(coarse(wide), 15)) * ACTIVE_FROM + expected,
    };
    Decision decision;
    decision.coder = work->coder;
    decision.mirrored = 0;
    decision.rate = VALUE_RATE;
    for (u32 each = 0; each < CALM_COUNTERS; each++) decision.counters[each] = model->calm[each] + contexts[each];
    decision.inputs[CALM_COUNTERS] = 256;
    decision.sets[0] = model->calm_set;
    return decide(&decision, CALM_COUNTERS, CALM_INPUTS, 1, bit, decoding);
}

/* Whether a magnitude is beyond a step. */
ONCE static u32 decide_value(Decision *decision, u32 bit, int decoding) {
    return decide(decision, VALUE_COUNTERS, VALUE_INPUTS, VALUE_SETS, bit, decoding);
}

/* Code a node that has something around it, or that is not 0 although it has not. */
ONCE static i32 code_active(Work *work, const Node *node, i32 value, int is_quiet, int decoding) {
    Surroundings *s = &work->around;
    const Rows *rows = &s->rows;
    const Model *model = &work->model;
    Neighbours near_by = neighbours_of(s, node->at);
    u32 id = work->band_id, at = node->node;
    u32 size = decoding ? 0 : magnitude(value), negative = value < 0, step = 0;
    u32 sums[BEFORE_KINDS], own = 0, outside = (u32)rows->outside[at], wide;
    for (int each = 0; each < BEFORE_KINDS; each++) sums[each] = rows->before[each][at];
    sums[s->row_kind] += magnitude(near_by.west);
    for (int each = 0; each < BEFORE_KINDS; each++) own += (u32)s->shares[each] * sums[each];
    wide = sums[WIDE] + magnitude(near_by.west_west);
    u32 beside = sums[ALONG] + sums[ACROSS] + sums[CORNER];
    u32 expected = least(coarse((u32)((u64)(own + outside) * s->reciprocal >> 14)), CLASSES - 1);
    Others others = others_of(s, node);
    int is_calm = expected < ACTIVE_FROM;
    if (is_calm && !is_quiet && !decide_calm(work, expected, beside, wide, &others, size > 0, decoding)) return 0;

    i32 values[SIGNED], seen[SEEN], guess = 0, learned = 0;
    gather(work, node, values);
    if (is_calm) {
        negative = code_sign(work, node, values, 0, negative, decoding);
        step = 1;
    } else {
        guess = (i32)held(learner_sum(values, model->guesses[id], work->values) >> 8, -NEAREST * 256, NEAREST * 256);
    }
    u32 expected_own = coarse((u32)((u64)own * s->reciprocal_own >> 14));
    u32 expected_outside = coarse((u32)((u64)outside * s->reciprocal_outside >> 14));
    u32 parent = others.parent, parents = others.parents, sibling = others.sibling, siblings = others.siblings;
    u32 colour = others.colour, colours = others.colours;
    see(work, node, sums, wide, near_by, parent, parents, sibling, siblings, colour, colours, seen);
    learned = (i32)held(learner_sum(seen, model->expectations[id], SEEN), 0, 255 << 16);
    u32 expected_learned = least(coarse((u32)learned >> 6), 63);

    u32 west = magnitude(near_by.west), north = magnitude(near_by.north);
    u32 group = least(work->band_set / 3, 2) * 2 + work->is_chroma, own_class = least(expected_own / 5, 7);
    const u32 contexts[VALUE_COUNTERS] = {
        id * (CLASSES / 3) + expected / 3,
        (least(coarse(parents), 15) * 16 + least(coarse(siblings), 15)) * 8 + own_class,
        ((least(colour, 7) * 16 + least(coarse(colours), 15)) * 8 + expected / 6) * 3 + least(s->band->colour, 2),
        ((((((least(west, 3) * 4 + least(north, 3)) * 3 + least(magnitude(near_by.north_west), 2)) * 3
            + least(magnitude(near_by.north_east), 2)) * 2 + (near_by.west_west != 0)) * 2
            + (near_by.north_north != 0)) * 3 + least(parent, 2)) * 2 + (siblings > 0),
        expected_learned * 6 + group,
        expected_learned / 2 * 24 + expected / 2,
        (least(coarse(magnitude(guess) >> 4), 31) * 24 + expected / 2) * 2 + work->is_chroma,
    };
    Decision decision;
    decision.coder = work->coder;
    decision.mirrored = 0;
    decision.rate = VALUE_RATE;
    u32 nearest = least(west, 2) * 9 + least(north, 2) * 3 + least(parent, 2), last_step = step_of(size);
    for (; step < MOST_STEPS; step++) {
        u32 own_step = least(step, OWN_STEPS - 1), some = least(step, 2);
        for (u32 each = 0; each < VALUE_COUNTERS; each++)
            decision.counters[each] = model->values[each] + contexts[each] * OWN_STEPS + own_step;
        decision.inputs[VALUE_COUNTERS] = 256;
        decision.inputs[VALUE_COUNTERS + 1] = 16 * ((i32)expected_learned - 36);
        decision.inputs[VALUE_COUNTERS + 2] = 16 * ((i32)expected_outside - 28);
        decision.inputs[VALUE_COUNTERS + 3] = decision.inputs[VALUE_COUNTERS + 4] = 0;
        decision.sets[0] = set_of(model->value_sets[0], some, VALUE_INPUTS);
        decision.sets[1] = set_of(model->value_sets[1], expected / 8 * 3 + some, VALUE_INPUTS);
        decision.sets[2] = set_of(model->value_sets[2], nearest * 2 + least(step, 1), VALUE_INPUTS);
        if (!decide_value(&decision, last_step > step, decoding)) break;
        if (step == 0) negative = code_sign(work, node, values, guess, negative, decoding);
    }
    u32 bits, first = first_of(step, &bits);
    size = first + code_rest(work, step, size - first, bits, decoding);

    i32 target = (i32)least(coarse(size), MOST_SEEN) << 16, power = learner_power(seen, SEEN);
    i32 move = ((target - learned) >> 6) * EXPECTATION_RATE / ((power + EXPECTATION_CALM) << 4);
    learner_move(seen, model->expectations[id], SEEN, move, 0, EXPECTATION_MOST);
    i32 found = near(negative ? -(i32)size : (i32)size);
    move = ((found << 8) - guess) * GUESS_RATE / (learner_power(values, work->values) + GUESS_CALM);
    learner_move(values, model->guesses[id], work->values, move, 4, GUESS_MOST);
    return negative ? -(i32)size : (i32)size;
}

static inline i32 code_node(Work *work, const Node *node, i32 value, int decoding) {
    const i8 *here = work->around.own.nodes + node->at;
    int is_quiet = !(work->around.rows.active[node->node] | here[-1] | here[-2]);
    Counter *quiet = work->model.quiet + work->band_id * 2 + node->is_in_run;
    if (is_quiet && !decide_alone(work->coder, quiet, value != 0, decoding)) return 0;
    return code_active(work, node, value, is_quiet, decoding);
}

/* Whether `count` nodes from this one on are all 0, where nothing is around any of them. Integers are 0 already. */
static inline int code_run(Work *work, Node *node, u32 count, int decoding) {
    const i8 *here = work->around.own.nodes + node->at;
    const u16 *active = work->around.rows.active + node->node;
    const i32 *integers = work->integers + node->flat;
    u32 found = (u32)(here[-1] | here[-2]), differs = 0;
    for (u32 each = 0; each < count; each++) found |= active[each];
    node->is_in_run = 0;
    if (found) return 0;
    for (u32 each = 0; !decoding && each < count; each++) differs |= integers[each] != 0;
    node->is_in_run = decide_alone(work->coder, work->model.runs + work->band_id, differs, decoding);
    return !node->is_in_run;
}

#endif
