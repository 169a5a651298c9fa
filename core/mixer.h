/* One decision's probability: counters of several contexts, mixed with weights that learn from what comes out.
 *
 * A counter holds a probability (22 bits) and how often it was used (10 bits); it moves by 1/(uses + 1.6) of its error,
 * down to a fixed rate. A mixer adds stretched probabilities times weights; two sets of weights, chosen by different
 * properties of the decision, each see their own error and meet in the middle. */
#ifndef CORE_MIXER_H
#define CORE_MIXER_H

#include "coder.h"
#include "logistic.h"

#ifdef TUNING
extern i32 tune[64];
extern double bits_spent[64];
#define TUNE(n, v) (tune[n] != -999 ? tune[n] : (v))
#else
#define TUNE(n, v) (v)
#endif

enum {
    MOST_INPUTS = 48,
    COUNTER_LIMIT = 1000,
    WEIGHT_ONE = 1 << 16,
    LARGEST_WEIGHT = 1 << 18,
};

typedef u32 Counter;

typedef struct {
    i32 weights[MOST_INPUTS];
    i32 uses;
} WeightSet;

extern u32 counter_rates[COUNTER_LIMIT + 1];

static inline void counter_update(Counter *counter, u32 bit, u32 limit) {
    u32 uses = *counter & 1023;
    i32 probability = (i32)(*counter >> 10), target = bit ? (1 << 22) - 1 : 0;
    probability += (i32)((i64)(target - probability) * counter_rates[uses] >> 16);
    *counter = (u32)probability << 10 | (uses < limit ? uses + 1 : uses);
}

/* Interpolates between 33 counters along the stretched probability: what such forecasts turned out to be. */
typedef struct {
    u16 probabilities[34];
} Correction;

typedef struct {
    Coder *coder;
    Counter *counters[MOST_INPUTS];
    WeightSet *first, *second, *third;
    Correction *correction;
    i32 direct[MOST_INPUTS];
    u32 mirrored; /* one bit for every counter that forecasts the opposite */
#ifdef TUNING
    int type;
#endif
} Decision;

void mixer_begin(void);

static inline i32 mixed(const i32 *inputs, const WeightSet *set, int count) {
    i32 sum = 0;
    for (int input = 0; input < count; input++) sum += inputs[input] * set->weights[input] >> 8;
    return sum >> 8;
}

static inline void learn(const i32 *inputs, WeightSet *set, int count, i32 error, i32 rate) {
    rate += rate * TUNE(17, 64) / (TUNE(18, 64) + set->uses);
    if (set->uses < 65535) set->uses++;
    for (int input = 0; input < count; input++) {
        i32 weight = set->weights[input] + (((error * inputs[input] >> 8) * rate + (1 << 15)) >> 16);
        if (weight > LARGEST_WEIGHT) weight = LARGEST_WEIGHT;
        if (weight < -LARGEST_WEIGHT) weight = -LARGEST_WEIGHT;
        set->weights[input] = weight;
    }
}

static inline i32 clamped(i32 stretched) {
    return stretched > FARTHEST ? FARTHEST : stretched < -FARTHEST ? -FARTHEST : stretched;
}

/* Trust in a counter that has seen little. */
extern i32 trust[COUNTER_LIMIT + 1];

static inline i32 least_of(i32 one, i32 other) { return one < other ? one : other; }

static inline u32 decide(Decision *decision, int counters, int count, u32 bit, i32 rate, int decoding) {
    i32 inputs[MOST_INPUTS];
    for (int input = counters; input < count; input++) inputs[input] = decision->direct[input - counters];
    for (int input = 0; input < counters; input++) {
        Counter counter = *decision->counters[input];
        inputs[input] = stretch(counter >> 16) * trust[counter & 1023] >> 8;
        if (decision->mirrored >> input & 1) inputs[input] = -inputs[input];
#ifdef TUNING
        if (TUNE(count > 8 ? 20 : 21, 0) >> input & 1) inputs[input] = 0;
#endif
    }
    i32 one = clamped(mixed(inputs, decision->first, count)), other = clamped(mixed(inputs, decision->second, count));
    i32 last = decision->third ? clamped(mixed(inputs, decision->third, count)) : 0;
    i32 forecast = decision->third ? (one + other + last) / 3 : (one + other) >> 1, probability = squash(forecast);
    u16 *near = 0;
    i32 offset = 0;
    if (decision->correction) {
        i32 place = (forecast + FARTHEST + 1) * 8; /* units of 2^-8: 176 apart; */
        i32 cell = place / 1408;
        offset = place - cell * 1408;
        near = decision->correction->probabilities + cell;
        i32 found = (near[0] * (1408 - offset) + near[1] * offset) / 1408;
        probability = (probability * TUNE(1, 4) + found * (4 - TUNE(1, 4))) >> 2;
    }
    if (probability > 65536 - TUNE(2, 4)) probability = 65536 - TUNE(2, 4);
    if (probability < TUNE(2, 4)) probability = TUNE(2, 4);
    bit = coder_decide(decision->coder, (u32)probability, bit, decoding);
#ifdef TUNING
    bits_spent[decision->type] += -__builtin_log2((bit ? probability : 65536 - probability) / 65536.0);
#endif
    i32 target = bit ? 65535 : 0;
    if (near) {
        u16 *closer = near + (offset > 704);
        *closer = (u16)(*closer + (target - *closer) / TUNE(3, 50));
    }
    learn(inputs, decision->first, count, target - squash(one), rate);
    learn(inputs, decision->second, count, target - squash(other), rate);
    if (decision->third) learn(inputs, decision->third, count, target - squash(last), rate);
    for (int input = 0; input < counters; input++) {
        Counter *counter = decision->counters[input];
        u32 mirrored = decision->mirrored >> input & 1;
        if (!(*counter & 1023)) *counter = (u32)least_of(squash(mirrored ? -forecast : forecast), 65535) << 16 | (u32)TUNE(4, 1);
        counter_update(counter, bit ^ mirrored, (u32)TUNE(5, 1000));
    }
    return bit;
}

#endif
