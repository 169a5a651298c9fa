#include "mixer.h"

i32 counter_rates[MOST_USES + 1];
i32 counter_trust[MOST_USES + 1];
i32 hurry[HURRIES];

void mixer_begin(void) {
    for (i32 uses = 0; uses <= MOST_USES; uses++) {
        counter_rates[uses] = 655360 / (10 * uses + 16);
        counter_trust[uses] = 256 * uses / (uses + 1);
    }
    for (i32 uses = 0; uses < HURRIES - 1; uses++) hurry[uses] = 256 * HURRY_USES / (HURRY_USES + uses);
    hurry[HURRIES - 1] = 0;
}

Counter *counters_take(u64 count) {
    Counter *counters = memory_take(count * sizeof(Counter));
    for (u64 counter = 0; counters && counter < count; counter++) counters[counter] = (Counter)COUNTER_NEW;
    return counters;
}

Weight *sets_take(u32 count, u32 inputs, u32 counters, i32 weight) {
    Weight *sets = memory_take((u64)count * (1 + inputs) * sizeof(Weight));
    for (u32 set = 0; sets && set < count; set++)
        for (u32 input = 0; input < counters; input++) sets[set * (1 + inputs) + 1 + input] = weight;
    return sets;
}
