/* A number forecast from others by weights that learn at every place (normalised least mean squares). */
#ifndef CORE_LEARNER_H
#define CORE_LEARNER_H

#include "core.h"

/* Inputs times weights, whose sum fits 32 bits if inputs and weights keep to the limits of their users. */
static inline i32 learner_sum(const i32 *restrict inputs, const i32 *restrict weights, u32 count) {
    i32 sum = 0;
    for (u32 input = 0; input < count; input++) sum += inputs[input] * weights[input];
    return sum;
}

static inline i32 learner_power(const i32 *restrict inputs, u32 count) {
    i32 power = 0;
    for (u32 input = 0; input < count; input++) power += inputs[input] * inputs[input];
    return power;
}

/* Move the weights by `step` times the inputs, in units of 2^-shift, and keep them within `most`. */
static inline void learner_move(const i32 *restrict inputs, i32 *restrict weights, u32 count, i32 step, int shift, i32 most) {
    for (u32 input = 0; input < count; input++) {
        i32 weight = weights[input] + (step * inputs[input] >> shift);
        weight = weight > most ? most : weight;
        weights[input] = weight < -most ? -most : weight;
    }
}

#endif
