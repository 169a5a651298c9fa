#include "subbands.h"

#include "contexts.h"
#include "memory.h"
#include "mixer.h"

enum {
    STEPS = 20,        /* decisions of a magnitude that have counters of their own; later ones share the last */
    ONE_BY_ONE = 4,    /* magnitudes up to here have steps of their own */
    MOST_STEPS = 4 + 2 * 28,
    VALUE_INPUTS = 12,
    DIRECT = 4,
    SEEN = 24,
    SIGN_INPUTS = 7,
    EXPECTED = 16,
    BAND_IDS = 5 * 3 * 16,
};

static const u32 value_contexts[VALUE_INPUTS] = {
    BAND_IDS * EXPECTED, 96 * 2, 8 * 8 * 8 * 3, 8 * 16 * 8, 8 * 16 * 8 * 3, 8 * 16 * 8 * 3, 24 * 20, 4 * 4 * 3 * 3 * 2 * 2 * 3 * 2, 24 * 24 * 2, 64 * 6, 32 * 24, 32 * 24 * 2,
};
static const u32 sign_contexts[SIGN_INPUTS] = {81 * 16, 27 * 16, 243 * 16, 27 * 256, 81 * 16, 81 * 16, 32 * 16};

typedef struct {
    Counter *values[VALUE_INPUTS]; /* [context][step] */
    Counter *signs[SIGN_INPUTS];
    WeightSet *by_band, *by_expectation, *by_place, *sign_by_band, *sign_by_kind;
    Correction *corrections;
    Counter *escape; /* exponents, then the two highest bits below */
    Coder *coder;
} Model;

static void *counters_take(u32 count) {
    Counter *counters = memory_take((u64)count * sizeof(Counter));
    for (u32 counter = 0; counters && counter < count; counter++) counters[counter] = 1u << 31;
    return counters;
}

static WeightSet *weights_take(u32 count, u32 counters, i32 start) {
    WeightSet *sets = memory_take((u64)count * sizeof(WeightSet));
    for (u32 set = 0; sets && set < count; set++)
        for (u32 input = 0; input < MOST_INPUTS; input++) sets[set].weights[input] = input < counters ? start : 0;
    return sets;
}

static int model_begin(Model *model, Coder *coder) {
    int fine = 1;
    model->coder = coder;
    for (u32 input = 0; input < VALUE_INPUTS; input++)
        fine &= (model->values[input] = counters_take(value_contexts[input] * STEPS)) != 0;
    for (u32 input = 0; input < SIGN_INPUTS; input++)
        fine &= (model->signs[input] = counters_take(sign_contexts[input])) != 0;
    fine &= (model->by_band = weights_take(5 * 3 * STEPS, VALUE_INPUTS, WEIGHT_ONE * TUNE(8, 10) / 100)) != 0;
    fine &= (model->by_expectation = weights_take(32 * STEPS, VALUE_INPUTS, WEIGHT_ONE * TUNE(8, 10) / 100)) != 0;
    fine &= (model->by_place = weights_take(64 * 64 * STEPS, VALUE_INPUTS, WEIGHT_ONE * TUNE(8, 10) / 100)) != 0;
    fine &= (model->sign_by_band = weights_take(BAND_IDS * 16, SIGN_INPUTS, WEIGHT_ONE * TUNE(9, 15) / 100)) != 0;
    fine &= (model->sign_by_kind = weights_take(16, SIGN_INPUTS, WEIGHT_ONE * TUNE(9, 15) / 100)) != 0;
    fine &= (model->escape = counters_take(MOST_STEPS + 1)) != 0;
    fine &= (model->corrections = memory_take(32 * STEPS * sizeof(Correction))) != 0;
    for (u32 each = 0; fine && each < 32 * STEPS; each++)
        for (i32 cell = 0; cell <= 32; cell++) model->corrections[each].probabilities[cell] = (u16)(squash(cell * 176 - FARTHEST - 1) > 65535 ? 65535 : squash(cell * 176 - FARTHEST - 1));
    return fine;
}

static inline u32 plain(Model *model, Counter *counter, u32 bit, int decoding) {
    u32 probability = *counter >> 16;
    bit = coder_decide(model->coder, probability < 64 ? 64 : probability > 65472 ? 65472 : probability, bit, decoding);
    counter_update(counter, bit, 60);
    return bit;
}

/* Magnitudes above ONE_BY_ONE share steps: two for every doubling, the first ones of two magnitudes each. */
static inline u32 step_of(u32 size, u32 *first, u32 *bits) {
    if (size <= ONE_BY_ONE) {
        *first = size;
        *bits = 0;
        return size;
    }
    u32 beyond = size - ONE_BY_ONE - 1 + 4, octave = 31 - (u32)__builtin_clz(beyond);
    *bits = octave - 1;
    *first = size - (beyond & ((1u << *bits) - 1));
    return ONE_BY_ONE + 1 + 2 * (octave - 2) + (beyond >> *bits & 1);
}

static inline u32 first_of(u32 step, u32 *bits) {
    if (step <= ONE_BY_ONE) {
        *bits = 0;
        return step;
    }
    u32 beyond = step - ONE_BY_ONE - 1;
    *bits = beyond / 2 + 1;
    return ONE_BY_ONE + 1 - 4 + ((2 + (beyond & 1)) << *bits);
}

/* Which of the magnitudes that share a step: the first bit is learned, the others are as likely as not. */
static u32 code_rest(Model *model, u32 step, u32 rest, u32 bits, int decoding) {
    u32 found = 0;
    for (u32 below = bits; below-- > 0;) {
        u32 bit = rest >> below & 1;
        bit = below + 1 == bits ? plain(model, model->escape + step, bit, decoding)
                                : coder_decide(model->coder, 32768, bit, decoding);
        found = found << 1 | bit;
    }
    return found;
}

static inline u32 three(i32 value) { return value > 0 ? 2 : value < 0 ? 1 : 0; }

typedef struct {
    Surroundings around;
    Model model;
    i32 *integers; /* of the subband */
    const Plane *planes; /* of this subband, those before it in the same level before it */
    u32 before;          /* orientations of the same level and colour before this one */
    u32 band_set, band_id, is_chroma;
    i32 expectations[BAND_IDS][SEEN];
    i32 predictors[BAND_IDS][48];
} Work;

static inline i32 sign_at(const Plane *plane, i32 at) { return plane->nodes ? plane->nodes[at] : 0; }

static inline i32 clipped(i32 value) {
    i32 most = TUNE(25, 3);
    return (value > most ? most : value < -most ? -most : value) * TUNE(26, 64);
}

/* Signs of some values, the first that is not 0 made positive: `mirrored` says whether they were turned around. */
static inline u32 signs_of(const i32 *values, u32 count, u32 *mirrored) {
    u32 code = 0, other = 0;
    for (u32 each = 0; each < count; each++) {
        code = code * 3 + three(values[each]);
        other = other * 3 + three(-values[each]);
    }
    *mirrored = other > code;
    return other > code ? other : code;
}

/* Values around a node, signs and all: as many of them for every node of a signal. */
static inline u32 gather(const Work *work, const u32 *place, i32 at, u32 node, u32 flat, i32 *values) {
    const Surroundings *s = &work->around;
    const i8 *here = s->own.nodes + at;
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
            values[count++] = flat >= back ? work->integers[(i32)flat - (i32)back] : 0;
    }
    for (u32 other = 0; other < 3; other++) {
        const i8 *there = other == 0 ? s->colour.nodes : other <= work->before ? work->planes[-(i32)other].nodes : 0;
        if (there) there += at;
        values[count++] = there ? there[0] : 0;
        for (u32 axis = 0; axis < axes; axis++) {
            i32 step = (i32)s->own.strides[axis];
            values[count++] = there ? there[-step] : 0;
            values[count++] = there ? there[step] : 0;
        }
    }
    i32 above = s->parent.origin;
    for (u32 axis = 0; axis < axes && s->parent.nodes; axis++)
        above += (i32)(((axis == s->last ? node : place[axis]) >> 1) * s->parent.strides[axis]);
    values[count++] = s->parent.nodes ? s->parent.nodes[above] : 0;
    for (u32 axis = 0; axis < axes; axis++) {
        i32 step = s->parent.nodes ? (i32)s->parent.strides[axis] : 0;
        values[count++] = step ? s->parent.nodes[above - step] : 0;
        values[count++] = step ? s->parent.nodes[above + step] : 0;
    }
    return count;
}

static inline i32 clipped2(i32 value) {
    value = value * TUNE(40, 64) >> 6;
    return value > 1000 ? 1000 : value < -1000 ? -1000 : value;
}

static inline u32 code_sign(Work *work, const u32 *place, i32 at, u32 node, const i32 *signed_values, u32 signed_count, i32 guess, u32 bit, int decoding) {
    Surroundings *s = &work->around;
    const i8 *here = s->own.nodes + at;
    u32 axes = s->last + 1, kind = s->band->orientation, parity = 0, mirrored = 0;
    i32 stride = axes > 1 ? (i32)s->own.strides[s->last - 1] : 2;
    i32 west = here[-1], north = here[-stride], faces[MOST_AXES];
    Decision decision = {.coder = work->model.coder};
    i32 *inputs = decision.direct;
    for (u32 axis = 0; axis < axes; axis++) faces[axis] = here[-(i32)s->own.strides[axis]];
    i32 colour = 0, above = 0, agreement[2 * MOST_AXES + 1];
    u32 direct = signed_count;
    for (u32 each = 0; each < direct; each++) inputs[each] = clipped(signed_values[each]);
    for (u32 axis = 0; axis < axes; axis++) parity = parity << 1 | ((axis == s->last ? node : place[axis]) & 1);
    if (s->colour.nodes) colour = s->colour.nodes[at];
    above = signed_values[direct - 2 * axes - 1];
    for (u32 axis = 0; axis < axes; axis++) {
        i32 step = (i32)s->own.strides[axis];
        agreement[axis] = here[-step];
        agreement[axes + axis] = s->colour.nodes ? s->colour.nodes[at - step] : 0;
    }
    agreement[2 * axes] = colour;
    Counter **counters = decision.counters;
#define SIGNS(input, size, context, ...) \
    do { \
        i32 values[] = __VA_ARGS__; \
        u32 code = signs_of(values, sizeof(values) / sizeof(*values), &mirrored); \
        counters[input] = work->model.signs[input] + code * (size) + (context); \
        decision.mirrored |= mirrored << (input); \
    } while (0)
    u32 code = signs_of(faces, axes, &mirrored);
    counters[0] = work->model.signs[0] + code * 16 + kind;
    decision.mirrored |= mirrored;
    SIGNS(1, 16, kind, {colour, west, north});
    SIGNS(2, 16, kind, {agreement[0], agreement[axes - 1], agreement[axes], agreement[2 * axes - 1], colour});
    SIGNS(3, 256, parity * 16 + kind, {above, west, north});
    SIGNS(4, 16, kind, {west, north, here[-2], here[-2 * stride < -BORDER && axes == 1 ? -2 : -2 * stride]});
    SIGNS(5, 16, kind, {here[-stride - 1 < -BORDER && axes == 1 ? -2 : -stride - 1], axes > 1 ? here[-stride + 1] : 0, north, west});
    inputs[direct++] = clipped2(guess);
    u32 strength = least(coarse(magnitude(guess) >> 5), 31);
    counters[6] = work->model.signs[6] + strength * 16 + kind;
    decision.mirrored |= (u32)(guess < 0) << 6;
    decision.first = work->model.sign_by_band + work->band_id * 16 + (TUNE(27, 0) ? parity : 0);
    decision.second = work->model.sign_by_kind + kind;
#ifdef TUNING
    decision.type = (int)work->band_set * 4 + 3;
#endif
    return decide(&decision, SIGN_INPUTS, (int)(SIGN_INPUTS + direct), bit, TUNE(10, 1024), decoding);
}

static inline i32 code_value(Work *work, const u32 *place, i32 at, u32 node, u32 flat, i32 value, int decoding) {
    Surroundings *s = &work->around;
    Rows *rows = &s->rows;
    const i8 *here = s->own.nodes + at;
    u32 axes = s->last + 1, kind = s->band->orientation;
    u32 west = magnitude(here[-1]), west_west = magnitude(here[-2]);
    u32 sums[BEFORE_KINDS];
    for (int each = 0; each < BEFORE_KINDS; each++) sums[each] = rows->before[each][node];
    sums[s->row_kind] += west;
    u32 own = 0;
    for (int each = 0; each < BEFORE_KINDS; each++) own += (u32)s->shares[each] * sums[each];
    u32 wide = sums[WIDE] + west_west;
    u32 outside = (u32)rows->outside[node];
    u32 expected = coarse((u32)((u64)(own + outside) * s->reciprocal >> 14));
    u32 expected_own = coarse((u32)((u64)own * s->reciprocal_own >> 14));
    u32 expected_outside = coarse((u32)((u64)outside * s->reciprocal_outside >> 14));

    u32 parent = 0, parents = 0, sibling = 0, siblings = 0, colour = 0, colours = 0;
    if (s->parent.nodes) {
        i32 there = s->parent.origin + (i32)(node >> 1);
        for (u32 axis = 0; axis < s->last; axis++) there += (i32)((place[axis] >> 1) * s->parent.strides[axis]);
        parent = magnitude(s->parent.nodes[there]);
        parents = rows->parent[node >> 1];
    }
    if (s->siblings.nodes) {
        sibling = (u32)s->siblings.nodes[at];
        siblings = rows->siblings[node];
    }
    if (s->colour.nodes) {
        colour = magnitude(s->colour.nodes[at]);
        colours = rows->colour[node];
    }
    u32 north = 0, north_west = 0, north_east = 0, north_north = 0;
    if (axes > 1) {
        i32 stride = (i32)s->own.strides[s->last - 1];
        north = magnitude(here[-stride]);
        north_west = magnitude(here[-stride - 1]);
        north_east = magnitude(here[-stride + 1]);
        north_north = magnitude(here[-2 * stride]);
    }
    i32 seen[SEEN] = {(i32)west, (i32)north, (i32)north_west, (i32)north_east, (i32)west_west, (i32)north_north,
                      (i32)wide, (i32)(sums[ALONG] + sums[ACROSS] + sums[CORNER]),
                      (i32)parent, (i32)parents, (i32)sibling, (i32)siblings, (i32)colour, (i32)colours, 1, (i32)sums[ALONG],
                      0, 0, 0, 0, 0, 0, 0, 0};
    if (TUNE(44, 1)) {
        for (u32 other = 1; other <= 2 && other <= work->before; other++) {
            const i8 *there = work->planes[-(i32)other].nodes + at;
            seen[14 + 2 * other] = (i32)magnitude(there[0]);
            i32 sum = 0;
            for (u32 axis = 0; axis < axes; axis++) {
                i32 step = (i32)s->own.strides[axis];
                sum += (i32)(magnitude(there[-step]) + magnitude(there[step]));
            }
            seen[15 + 2 * other] = sum;
        }
        seen[20] = rows->before[ACROSS][node];
        seen[21] = rows->before[CORNER][node];
        if (axes > 1) {
            i32 stride = (i32)s->own.strides[s->last - 1];
            seen[22] = (i32)(magnitude(here[-stride + 2]));
            seen[23] = (i32)(magnitude(here[-2 * stride + 1]));
        }
    }
    if (TUNE(45, 1)) for (u32 each = 0; each < SEEN; each++) seen[each] = (i32)coarse((u32)seen[each]);

    i32 *expectation = work->expectations[work->band_id];
    i64 learned = 0;
    i32 power = 0, guess = 0, signed_values[48] = {0};
    u32 signed_count = 0;
    i64 signed_power = 0;
    i32 *predictor = work->predictors[work->band_id];
    for (int each = 0; each < SEEN; each++) learned += (i64)seen[each] * expectation[each], power += seen[each] * seen[each];
    if (learned < 0) learned = 0;
    if (power > 1) {
        signed_count = gather(work, place, at, node, flat, signed_values);
        i64 sum = 0;
        for (u32 each = 0; each < 48; each++) {
            sum += (i64)signed_values[each] * predictor[each];
            signed_power += signed_values[each] * signed_values[each];
        }
        guess = (i32)(sum >> 8);
    }
    u32 expected_learned = least(coarse((u32)(learned >> (16 - 10))), 63);
    u32 group6 = (work->band_set / 3 > 2 ? 2 : work->band_set / 3) * 2 + work->is_chroma;
    Counter *base[VALUE_INPUTS];
    u32 index[VALUE_INPUTS];
    u32 e = least(expected, 47);
    index[0] = work->band_id * EXPECTED + e / 3;
    index[1] = least(expected, 95) * 2 + work->is_chroma;
    index[2] = ((least(coarse(sums[ALONG]), 7) * 8 + least(coarse(sums[ACROSS]), 7)) * 8 + least(coarse(sums[CORNER]), 7)) * 3
        + (s->band->level == 0 ? 0 : kind == s->layout->kinds ? 1 : 2);
    index[3] = (least(parent, 7) * 16 + least(coarse(parents), 15)) * 8 + least(expected_own / 5, 7);
    index[4] = ((least(sibling, 7) * 16 + least(coarse(siblings), 15)) * 8 + least(expected_own / 5, 7)) * 3 + least(kind ? kind - 1 : 0, 2);
    index[5] = ((least(colour, 7) * 16 + least(coarse(colours), 15)) * 8 + e / 6) * 3 + least(s->band->colour, 2);
    index[6] = least(coarse(wide), 23) * 20 + least(expected_own / 2, 19);
    index[7] = ((((((least(west, 3) * 4 + least(north, 3)) * 3 + least(north_west, 2)) * 3 + least(north_east, 2)) * 2 + least(west_west, 1)) * 2
        + least(north_north, 1)) * 3 + least(parent, 2)) * 2 + (siblings > 0);
    index[8] = (least(expected_outside / 2, 23) * 24 + least(expected_own / 2, 23)) * 2 + work->is_chroma;
    index[9] = expected_learned * 6 + group6;
    index[10] = least(expected_learned / 2, 31) * 24 + least(expected / 2, 23);
    index[11] = (least(coarse(magnitude(guess) >> 4), 31) * 24 + least(expected / 2, 23)) * 2 + work->is_chroma;
    for (u32 input = 0; input < VALUE_INPUTS; input++) base[input] = work->model.values[input] + index[input] * STEPS;

    u32 size = decoding ? 0 : magnitude(value), counted = 0, negative = value < 0, first = 0, bits = 0;
    u32 last_step = step_of(size, &first, &bits);
    Decision decision = {.coder = work->model.coder};
    decision.direct[0] = TUNE(22, 256);
    decision.direct[1] = TUNE(23, 16) * ((i32)expected_learned - 36);
    decision.direct[2] = TUNE(23, 16) * ((i32)expected_own - 28);
    decision.direct[3] = TUNE(23, 16) * ((i32)expected_outside - 28);
    for (;; counted++) {
        if (counted == MOST_STEPS) break;
        u32 step = least(counted, STEPS - 1);
        for (u32 input = 0; input < VALUE_INPUTS; input++) decision.counters[input] = base[input] + step;
        u32 firsts[] = {work->band_set, work->band_set / 3, work->is_chroma, work->band_set / 3 * 2 + work->is_chroma, 0};
        decision.first = work->model.by_band + firsts[TUNE(34, 4)] * STEPS + least(step, (u32)TUNE(32, 2));
        decision.second = work->model.by_expectation + least(e / (u32)TUNE(33, 8), 31) * STEPS + least(step, (u32)TUNE(32, 2));
        u32 third[] = {0, 0, least(expected_outside / 3, 15), least(coarse(wide), 15), least(expected_learned / 2, 31), work->band_id % 16 * 4 + least(work->band_set/3,3), index[7] / 24, least(west,2)*9+least(north,2)*3+least(parent,2)};
        decision.third = TUNE(31, 7) ? work->model.by_place + third[TUNE(31, 7)] * STEPS + step : 0;
        decision.correction = TUNE(11, 1) ? work->model.corrections + least(e / 2, 31) * STEPS + step : 0;
#ifdef TUNING
        decision.type = work->band_set * 4 + (int)least(counted, 2);
#endif
        if (!decide(&decision, VALUE_INPUTS, VALUE_INPUTS + DIRECT, last_step > counted, TUNE(12, 256), decoding)) break;
        if (counted == 0 && !signed_count) signed_count = gather(work, place, at, node, flat, signed_values);
        if (counted == 0) negative = code_sign(work, place, at, node, signed_values, signed_count, guess, negative, decoding);
    }
    first = first_of(counted, &bits);
    counted = first + code_rest(&work->model, counted, size - first, bits, decoding);
    if (counted > LARGEST_VALUE) {
        work->model.coder->failed = CORE_OUT_OF_RANGE;
        return 0;
    }
    if (power > 1 || counted) {
        i32 error = (i32)((TUNE(45, 1) ? coarse(counted) : least(counted, TUNE(13, 16))) << 16) - (i32)least((u32)learned, 255u << 16);
        i32 step = (i32)(((i64)error * TUNE(14, 300)) / ((power + TUNE(15, 4)) << 10));
        for (int each = 0; each < SEEN; each++) expectation[each] += step * seen[each];
    }
    if (signed_power > 0) {
        i32 found = negative ? -(i32)least(counted, 127) : (i32)least(counted, 127);
        i64 error = ((i64)found << 8) - guess; /* 2^-8 */
        i32 step = (i32)(error * TUNE(41, 1024) / (signed_power + TUNE(42, 8)));
        for (u32 each = 0; each < 48; each++) predictor[each] += step * signed_values[each] >> TUNE(43, 4);
    }
    return negative ? -(i32)counted : (i32)counted;
}

static inline i32 median(i32 west, i32 north, i32 north_west) {
    i32 low = west < north ? west : north, high = west < north ? north : west;
    return north_west >= high ? low : north_west <= low ? high : west + north - north_west;
}

/* What the low-pass integers before a node lead to expect: the mean, over pairs of axes, of the median edge. */
static i32 predicted(const Work *work, const u32 *place, u32 node, u32 flat) {
    const Surroundings *s = &work->around;
    u32 axes = s->last + 1, step = 1, pairs = 0;
    u32 steps[MOST_AXES];
    int inside[MOST_AXES];
    for (u32 axis = axes; axis-- > 0; step *= s->band->nodes[axis]) {
        steps[axis] = step;
        inside[axis] = (axis == s->last ? node : place[axis]) > 0;
    }
    const i32 *here = work->integers + flat;
    if (axes == 1) return inside[0] ? here[-1] : 0;
    i64 sum = 0;
    for (u32 one = 0; one < axes; one++)
        for (u32 other = one + 1; other < axes; other++) {
            if (!inside[one] && !inside[other]) continue;
            pairs++;
            if (inside[one] && inside[other])
                sum += median(here[-(i32)steps[one]], here[-(i32)steps[other]], here[-(i32)(steps[one] + steps[other])]);
            else sum += here[-(i32)steps[inside[one] ? one : other]];
        }
    if (!pairs) return 0;
    return (i32)((sum + (sum < 0 ? -(i64)(pairs / 2) : (i64)(pairs / 2))) / pairs);
}

static inline void code_subband(Work *work, int decoding) {
    Surroundings *s = &work->around;
    const Subband *band = s->band;
    u32 place[MOST_AXES] = {0}, count = band->nodes[s->last], is_low = band->level == 0;
    i32 row = s->own.origin;
    for (u32 flat = 0; flat < band->count;) {
        surroundings_row(s, place);
        for (u32 node = 0; node < count; node++, flat++) {
            i32 guess = is_low ? predicted(work, place, node, flat) : 0, at = row + (i32)node;
            i32 value = code_value(work, place, at, node, flat, decoding ? 0 : work->integers[flat] - guess, decoding);
            if (decoding) {
                work->integers[flat] = value + guess;
                if (magnitude(value + guess) > LARGEST_VALUE) work->model.coder->failed = CORE_OUT_OF_RANGE;
            }
            s->own.nodes[at] = (i8)(value > NEAREST ? NEAREST : value < -NEAREST ? -NEAREST : value);
        }
        if (work->model.coder->failed) return;
        row = s->own.origin;
        for (u32 axis = s->last; axis-- > 0;) {
            if (++place[axis] < band->nodes[axis]) break;
            place[axis] = 0;
        }
        for (u32 axis = 0; axis < s->last; axis++) row += (i32)(place[axis] * s->own.strides[axis]);
    }
    if (s->siblings.nodes) {
        u32 bytes = (band->nodes[0] + BORDER) * s->own.strides[0];
        for (u32 byte = 0; byte < bytes; byte++) {
            u32 sum = (u32)s->siblings.nodes[byte] + magnitude(s->own.nodes[byte]);
            s->siblings.nodes[byte] = (i8)(sum > NEAREST ? NEAREST : sum);
        }
    }
}

static inline i32 code_all(const Layout *layout, i32 *integers, Coder *coder, int decoding) {
    static Work work;
    Surroundings *s = &work.around;
    logistic_begin();
    mixer_begin();
    u32 axes = layout->description->axes, longest = layout->subbands[layout->subband_count - 1].nodes[axes - 1];
    Plane *planes = memory_take((u64)layout->subband_count * sizeof(Plane));
    Plane siblings = {0};
    u16 **rows[] = {&s->rows.before[0], &s->rows.before[1], &s->rows.before[2], &s->rows.before[3],
                    &s->rows.parent, &s->rows.siblings, &s->rows.colour, &s->rows.scratch};
    for (u32 each = 0; each < sizeof(rows) / sizeof(*rows); each++)
        if (!(*rows[each] = memory_take(2 * ((u64)longest + 34)))) return CORE_NO_MEMORY;
    s->rows.outside = memory_take(4 * ((u64)longest + 34));
    if (!planes || !s->rows.outside || !model_begin(&work.model, coder)) return CORE_NO_MEMORY;
    for (u32 number = 0; number < layout->subband_count; number++)
        if (!plane_take(layout, layout->subbands + number, planes + number)) return CORE_NO_MEMORY;
    for (u32 id = 0; id < BAND_IDS; id++)
        for (u32 each = 0; each < SEEN; each++) work.expectations[id][each] = each < 4 ? 65536 * TUNE(16, 15) / 100 : 0;
    for (u32 id = 0; id < BAND_IDS; id++)
        for (u32 each = 0; each < 48; each++) work.predictors[id][each] = 0;
    u8 *coded = coder->bytes;
    if (!decoding) {
        coded = memory_take(CODER_ROOM);
        if (!coded) return CORE_NO_MEMORY;
    }
    /* Room for siblings is part of the planes: one more for every level and colour would cost more than a clearing. */
    coder_begin(coder, coded, decoding ? coder->size : CODER_ROOM, decoding);
    for (u32 number = 0; number < layout->subband_count && !coder->failed; number++) {
        const Subband *band = layout->subbands + number;
        u32 kinds = band->level ? layout->kinds : 1;
        s->layout = layout;
        s->band = band;
        s->own = planes[number];
        work.planes = planes + number;
        work.before = band->level ? band->orientation - 1 : 0;
        s->colour = band->colour ? planes[number - kinds] : (Plane){0};
        s->parent = band->level > 1 ? planes[number - kinds * layout->description->colours] : (Plane){0};
        if (band->level && band->orientation == 1 && layout->kinds > 1 && !plane_take(layout, band, &siblings))
            return CORE_NO_MEMORY;
        s->siblings = band->level ? siblings : (Plane){0};
        surroundings_begin(s);
        work.integers = integers + band->first;
        u32 group = band->level ? least(layout->description->scales - band->level, 3) : 4;
        work.band_set = group * 3 + least(band->colour, 2);
        work.band_id = work.band_set * 16 + band->orientation;
        work.is_chroma = band->colour > 0;
        u32 like = TUNE(46, 1) == 1 ? band->level > 1 ? number - kinds * layout->description->colours : number
            : TUNE(46, 1) == 2 ? band->colour ? number - kinds : band->level > 1 ? number - kinds * layout->description->colours : number
            : TUNE(46, 1) == 3 ? band->colour ? number - kinds : band->level > 1 ? number - kinds * layout->description->colours : number && band->level ? number - 1 : number : number;
        if (like != number) {
            const Subband *former = layout->subbands + like;
            u32 former_group = former->level ? least(layout->description->scales - former->level, 3) : 4;
            u32 former_id = (former_group * 3 + least(former->colour, 2)) * 16 + former->orientation;
            if (former_id != work.band_id) {
                for (u32 each = 0; each < SEEN; each++) work.expectations[work.band_id][each] = work.expectations[former_id][each];
                for (u32 each = 0; each < 48; each++) work.predictors[work.band_id][each] = work.predictors[former_id][each];
            }
        }
        code_subband(&work, decoding);
    }
    if (!coder->failed && !decoding) coder_end(coder);
    if (!coder->failed && decoding && coder->position < coder->size) return CORE_LEFT_OVER;
    return coder->failed;
}

i32 subbands_decode(const Layout *layout, i32 *integers, Coder *coder) { return code_all(layout, integers, coder, 1); }

i32 subbands_encode(const Layout *layout, i32 *integers, Coder *coder) { return code_all(layout, integers, coder, 0); }
