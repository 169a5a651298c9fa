#include "logistic.h"

u16 squash_table[FARTHEST + 1];         /* of x >= 0 */
i16 stretch_table[2 * FINE_STRETCH];    /* -stretch(p): p one by one below 2048, then every sixteenth one to 32767 */

void logistic_begin(void) {
    /* power = e^(x/256) in units of 2^-24, one step of e^(1/256) - 1 = 1050627 / 2^28 after the other. */
    u64 power = 1 << 24;
    for (i32 x = 0; x <= FARTHEST; x++) {
        u64 share = (power << 16) / (power + (1 << 24));
        squash_table[x] = (u16)(share > 65535 ? 65535 : share);
        power += power * 1050627 >> 28;
    }
    /* The least x whose squash(-x) is no more than p. */
    i32 x = FARTHEST;
    for (u32 entry = 0; entry < 2 * FINE_STRETCH; entry++) {
        u32 probability = entry < FINE_STRETCH ? entry : ((entry - FINE_STRETCH) << 4) + 8;
        if (entry == FINE_STRETCH) x = FARTHEST;
        while (x > 0 && 65536u - squash_table[x - 1] <= probability) x--;
        stretch_table[entry] = (i16)x;
    }
}
