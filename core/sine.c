#include "sine.h"

static const double TAU = 6.283185307179586476925;

ONCE static Turn in_quarter(double quarters, double sine, double cosine) {
    double quarter = quarters - 4.0 * __builtin_floor(0.25 * quarters);
    if (quarter == 1.0) return (Turn){cosine, -sine};
    if (quarter == 2.0) return (Turn){-sine, -cosine};
    if (quarter == 3.0) return (Turn){-cosine, sine};
    return (Turn){sine, cosine};
}

SELDOM Turn turn_of(double turns) {
    double quarters = __builtin_rint(4.0 * turns), angle = (turns - 0.25 * quarters) * TAU, square = angle * angle;
    double sine = 0.0, cosine = 0.0;
    /* Taylor; beyond pi / 4 nothing is asked for. */
    for (int power = 17; power > 1; power -= 2) {
        sine = (1.0 + sine) * -square / (double)(power * (power - 1));
        cosine = (1.0 + cosine) * -square / (double)((power - 1) * (power - 2));
    }
    sine = (1.0 + sine) * angle;
    cosine = 1.0 + cosine;
    return in_quarter(quarters, sine, cosine);
}

ONCE Turn quick_turn(double turns) {
    double quarters = __builtin_rint(4.0 * turns), angle = (turns - 0.25 * quarters) * TAU, square = angle * angle;
    double sine = -1.0 / 39916800.0, cosine = 1.0 / 479001600.0;
    sine = 1.0 / 362880.0 + square * sine;
    sine = -1.0 / 5040.0 + square * sine;
    sine = 1.0 / 120.0 + square * sine;
    sine = -1.0 / 6.0 + square * sine;
    sine = angle + angle * (square * sine);
    cosine = -1.0 / 3628800.0 + square * cosine;
    cosine = 1.0 / 40320.0 + square * cosine;
    cosine = -1.0 / 720.0 + square * cosine;
    cosine = 1.0 / 24.0 + square * cosine;
    cosine = -1.0 / 2.0 + square * cosine;
    return in_quarter(quarters, sine, 1.0 + square * cosine);
}
