#include "sine.h"

static const double TAU = 6.283185307179586476925;

Turn turn_of(double turns) {
    double quarters = __builtin_rint(4.0 * turns), angle = (turns - 0.25 * quarters) * TAU, square = angle * angle;
    double sine = 0.0, cosine = 0.0;
    /* Taylor; beyond pi / 4 nothing is asked for. */
    for (int power = 17; power > 1; power -= 2) {
        sine = (1.0 + sine) * -square / (double)(power * (power - 1));
        cosine = (1.0 + cosine) * -square / (double)((power - 1) * (power - 2));
    }
    sine = (1.0 + sine) * angle;
    cosine = 1.0 + cosine;
    double quarter = quarters - 4.0 * __builtin_floor(0.25 * quarters);
    if (quarter == 1.0) return (Turn){cosine, -sine};
    if (quarter == 2.0) return (Turn){-sine, -cosine};
    if (quarter == 3.0) return (Turn){-cosine, sine};
    return (Turn){sine, cosine};
}
