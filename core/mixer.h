/* One decision's probability: counters of several contexts and plain numbers, mixed with weights that learn.
 *
 * A counter holds a probability (22 bits) and how often it was used (10 bits); it moves by 1/(uses + 1.6) of its error.
 * A mixer adds its inputs, stretched probabilities, times weights; sets of weights, chosen by different properties of
 * the decision, each learn from their own error, and the mean of what they say is the forecast. */
#ifndef CORE_MIXER_H
#define CORE_MIXER_H

#include "coder.h"
#include "logistic.h"

enum {
    MOST_COUNTERS = 9,
    MOST_INPUTS = 64,
    MOST_SETS = 3,
    MOST_USES = 1000,
    WEIGHT_ONE = 1 << 16,
    LARGEST_WEIGHT = 1 << 18,
    LEAST_PROBABILITY = 4, /* in units of 2^-16 */
    HURRY_USES = 64,       /* a set that is new learns twice as fast, after so many uses half again as fast */
    HURRIES = 1024,        /* uses after which it does no longer */
};

typedef u32 Counter;

enum { COUNTER_NEW = 1u << 31 }; /* as likely as not, never used */

/* A set of weights: how often it was used, then a weight for each input. */
typedef i32 Weight;

typedef struct {
    Coder *coder;

    u32 mirrored;                              /* one bit for every counter that forecasts the opposite */
    i32 rate;                                  /* of learning, in units of 2^-8, of which it is a multiple of 2^8 */
    Counter *counters[MOST_COUNTERS];
    i32 inputs[MOST_INPUTS];
    Weight *sets[MOST_SETS];
} Decision;

void mixer_begin(void);

/* New counters and sets of weights, those of counters given in units of 2^-16, the others 0: 0 without memory. */
Counter *counters_take(u64 count);
Weight *sets_take(u32 count, u32 inputs, u32 counters, i32 weight);

extern i32 counter_rates[MOST_USES + 1]; /* 2^16 / (uses + 1.6) */
extern i32 hurry[HURRIES];               /* 2^8 HURRY_USES / (HURRY_USES + uses), at last 0 */
extern i32 counter_trust[MOST_USES + 1]; /* 2^8 uses / (uses + 1) */

static inline void counter_update(Counter *counter, u32 bit) {
    u32 uses = *counter & 1023;
    i32 probability = (i32)(*counter >> 10), target = bit ? (1 << 22) - 1 : 0;
    probability += (i32)((i64)(target - probability) * counter_rates[uses] >> 16);
    *counter = (u32)probability << 10 | (uses < MOST_USES ? uses + 1 : uses);
}

static inline u32 held(i32 value, i32 least, i32 most) { return (u32)(value < least ? least : value > most ? most : value); }

/* Code a decision by one counter alone. */
static inline u32 decide_alone(Coder *coder, Counter *counter, u32 bit, int decoding) {
    u32 probability = held((i32)(*counter >> 16), LEAST_PROBABILITY, 65536 - LEAST_PROBABILITY);
    coder_work(coder, 1);
    bit = coder_decide(coder, probability, bit, decoding);
    counter_update(counter, bit);
    return bit;
}

static inline i32 mixed(const i32 *restrict inputs, const Weight *restrict weights, u32 count) {
    i32 sum = 0;
    for (u32 input = 0; input < count; input++) sum += inputs[input] * weights[input] >> 8;
    return (i32)held(sum >> 8, -FARTHEST, FARTHEST);
}

static inline void learn(const i32 *restrict inputs, Weight *restrict set, u32 count, i32 error, i32 rate) {
    rate += (rate >> 8) * hurry[set[0]];
    set[0] += set[0] < HURRIES - 1;
    Weight *weights = set + 1;
    for (u32 input = 0; input < count; input++) {
        i32 weight = weights[input] + (((error * inputs[input] >> 8) * rate + (1 << 15)) >> 16);
        weight = weight > LARGEST_WEIGHT ? LARGEST_WEIGHT : weight;
        weights[input] = weight < -LARGEST_WEIGHT ? -LARGEST_WEIGHT : weight;
    }
}

/* Code a decision by all that a `Decision` holds; in each of its callers, whose counts are numbers, as loops of fixed length. */
static inline __attribute__((always_inline)) u32 decide(Decision *decision, u32 counters, u32 count, u32 sets, u32 bit, int decoding) {
    i32 *inputs = decision->inputs, forecasts[MOST_SETS], sum = 0;
    for (u32 input = 0; input < counters; input++) {
        Counter counter = *decision->counters[input];
        i32 found = stretch(counter >> 16) * counter_trust[counter & 1023] >> 8;
        inputs[input] = decision->mirrored >> input & 1 ? -found : found;
    }
    for (u32 set = 0; set < sets; set++) sum += forecasts[set] = mixed(inputs, decision->sets[set] + 1, count);
    i32 forecast = sum / (i32)sets;
    u32 probability = held(squash(forecast), LEAST_PROBABILITY, 65536 - LEAST_PROBABILITY);
    coder_work(decision->coder, 1 + sets * count / 8);
    bit = coder_decide(decision->coder, probability, bit, decoding);
    i32 target = bit ? 65535 : 0;
    for (u32 set = 0; set < sets; set++)
        learn(inputs, decision->sets[set], count, target - squash(forecasts[set]), decision->rate);
    for (u32 input = 0; input < counters; input++) {
        Counter *counter = decision->counters[input];
        u32 mirrored = decision->mirrored >> input & 1;
        /* What has never been used begins with what the others said, as if it had been used once. */
        if (!(*counter & 1023)) *counter = held(squash(mirrored ? -forecast : forecast), 0, 65535) << 16 | 1;
        counter_update(counter, bit ^ mirrored);
    }
    return bit;
}

#endif
