#include "mixer.h"

u32 counter_rates[COUNTER_LIMIT + 1];
i32 trust[COUNTER_LIMIT + 1];

void mixer_begin(void) {
    for (u32 uses = 0; uses <= COUNTER_LIMIT; uses++) {
        counter_rates[uses] = 655360 / (10 * uses + TUNE(6, 16));
        trust[uses] = (i32)(256 * 10 * uses / (10 * uses + TUNE(7, 10)));
    }
}
