/* Sines: four of float32 for the layers, and one of float64, in turns, for the waves on a grid. */
#ifndef CORE_SINE_H
#define CORE_SINE_H

#include "vector.h"

typedef struct {
    double sine, cosine;
} Turn;

/* Sine and cosine of 2 pi turns, within 1e-15. */
Turn turn_of(double turns);

/* Sines within 3e-7 for angles up to 8,000, where the angle itself is a multiple of 2^-11; always finite. */
static inline f32x4 sine4(f32x4 angle) {
    /* Adding 1.5 x 2^23 rounds to an integer, whose lowest bit is that of its float. */
    const f32x4 round = all4(12582912.0f);
    f32x4 shifted = angle * all4(0.318309886f) + round, halves = shifted - round;
    i32x4 sign = (i32x4)shifted << 31;
    /* pi in three parts, the first two short enough for exact products. */
    f32x4 r = angle - halves * all4(3.140625f);
    r = r - halves * all4(9.67502593994140625e-4f);
    r = r - halves * all4(1.509957990978376e-7f);
    i32x4 below = r > all4(-2.0f); /* not a number counts as -2 */
    r = (f32x4)(((i32x4)r & below) | ((i32x4)all4(-2.0f) & ~below));
    i32x4 above = r < all4(2.0f);
    r = (f32x4)(((i32x4)r & above) | ((i32x4)all4(2.0f) & ~above));
    f32x4 square = r * r;
    f32x4 series = all4(-0.000198066147f) + square * all4(2.60005459e-6f);
    series = all4(0.00833301712f) + square * series;
    series = all4(-0.166666567f) + square * series;
    return (f32x4)((i32x4)(r + r * square * series) ^ sign);
}

#endif
