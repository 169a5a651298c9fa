#include "logistic.h"

i32 squash_table[2 * FARTHEST + 1];
i32 stretch_table[STRETCHED];

void logistic_begin(void) {
    /* power = e^(x/256) in units of 2^-24, one step of e^(1/256) - 1 = 1050627 / 2^28 after the other. */
    u64 power = 1 << 24;
    for (i32 x = 0; x <= FARTHEST; x++) {
        u64 share = (power << 16) / (power + (1 << 24));
        squash_table[FARTHEST + x] = (i32)(share > 65535 ? 65535 : share);
        squash_table[FARTHEST - x] = 65536 - squash_table[FARTHEST + x];
        power += power * 1050627 >> 28;
    }
    /* The least x whose squash(-x) is no more than p. */
    i32 x = FARTHEST;
    for (u32 entry = 0; entry < STRETCHED / 2; entry++) {
        i32 probability = (i32)(entry << 4) + 8;
        while (x > 0 && squash_table[FARTHEST - x + 1] <= probability) x--;
        stretch_table[entry] = -x;
        stretch_table[STRETCHED - 1 - entry] = x;
    }
}
