/* Sines: four of float32 for the layers, and one of float64, in turns, for the waves on a grid. */
#ifndef CORE_SINE_H
#define CORE_SINE_H

#include "vector.h"

typedef struct {
    double sine, cosine;
} Turn;

/* Sine and cosine of 2 pi turns, within 1e-15. */
Turn turn_of(double turns);

/* The same within 1e-11, in a third of the time. */
Turn quick_turn(double turns);

/* Sines of what is left of angles in half turns beyond the nearest integer, -1 to 1 whatever it is. */
static inline f32x4 series4(f32x4 r) {
    r = at_least(r, -1.0f); /* what is not a number, too */
    r = at_most(r, 1.0f);
    f32x4 square = r * r;
    f32x4 series = all4(-0.59804517f) + square * all4(0.077220127f);
    series = all4(2.55003142f) + square * series;
    series = all4(-5.16770697f) + square * series;
    series = all4(3.1415925f) + square * series;
    return r * series;
}

/* Sines of angles in half turns, within 3e-7 of that of the float32 angle, up to 4 million of them; always finite. */
static inline f32x4 sine4(f32x4 halves) {
    /* Adding 1.5 x 2^23 rounds to an integer, whose lowest bit is that of its float. */
    const f32x4 round = all4(12582912.0f);
    f32x4 shifted = halves + round, r = halves - (shifted - round);
    i32x4 sign = (i32x4)shifted << 31;
    return (f32x4)((i32x4)series4(r) ^ sign);
}

/* Cosines, likewise: a quarter of a turn from the nearest multiple of a half. */
static inline f32x4 cosine4(f32x4 halves) {
    const f32x4 round = all4(12582912.0f);
    f32x4 shifted = halves + round, r = halves - (shifted - round);
    i32x4 sign = (i32x4)shifted << 31;
    f32x4 size = (f32x4)((i32x4)r & 0x7FFFFFFF);
    return (f32x4)((i32x4)series4(all4(0.5f) - size) ^ sign);
}

#endif
