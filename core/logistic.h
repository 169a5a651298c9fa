/* Probabilities on a line where evidence adds up: stretch(p) = ln(p / (1 - p)), and squash, its inverse.
 *
 * Probabilities are in units of 2^-16, stretched ones in units of 2^-8. Both tables follow from integers alone. */
#ifndef CORE_LOGISTIC_H
#define CORE_LOGISTIC_H

#include "core.h"

enum { FARTHEST = 2815, FINE_STRETCH = 2048 };

extern u16 squash_table[FARTHEST + 1];
extern i16 stretch_table[2 * FINE_STRETCH];

void logistic_begin(void);

static inline i32 squash(i32 stretched) {
    if (stretched > FARTHEST) stretched = FARTHEST;
    if (stretched < -FARTHEST) stretched = -FARTHEST;
    return stretched < 0 ? 65536 - squash_table[-stretched] : squash_table[stretched];
}

static inline i32 stretch(u32 probability) { /* of 0 to 65535 */
    u32 less = probability < 32768 ? probability : 65535 - probability;
    i32 found = stretch_table[less < FINE_STRETCH ? less : FINE_STRETCH + (less >> 4)];
    return probability < 32768 ? -found : found;
}

#endif
