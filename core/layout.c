#include "layout.h"

#include "memory.h"

enum { DESCRIPTION_VERSION = 1, OWN_FIELDS = 3 };

static int is_sound(const Description *description) {
    if (description->version != DESCRIPTION_VERSION) return 0;
    if (description->axes < 1 || description->axes > MOST_AXES) return 0;
    if (description->colours < 1 || description->colours > MOST_COLOURS) return 0;
    if (description->scales < 1 || description->scales > MOST_SCALES) return 0;
    for (u32 axis = 0; axis < MOST_AXES; axis++) {
        u32 samples = description->samples[axis];
        if (samples < 1 || samples > MOST_NODES || (axis >= description->axes && samples != 1)) return 0;
    }
    return 1;
}

i32 layout_make(const Description *description, Layout *layout) {
    if (!is_sound(description)) return CORE_BAD_DESCRIPTION;
    u32 axes = description->axes, colours = description->colours, scales = description->scales;
    u32 kinds = (1u << axes) - 1, own = scales < OWN_FIELDS ? scales : OWN_FIELDS;
    *layout = (Layout){.description = description, .kinds = kinds};
    layout->subband_count = colours + scales * colours * kinds;
    layout->subbands = memory_take((u64)layout->subband_count * sizeof(Subband));
    if (!layout->subbands) return CORE_NO_MEMORY;
    Subband *next = layout->subbands;
    u64 total = 0;
    for (u32 level = 0; level <= scales; level++) {
        u32 scale = level ? scales + 1 - level : scales; /* spacing 2^scale */
        for (u32 channel = 0; channel < colours * (level ? kinds : 1); channel++, next++) {
            next->level = level;
            next->spacing = 1u << scale;
            next->colour = level ? channel / kinds : channel;
            next->orientation = level ? channel % kinds + 1 : 0;
            next->field = level && scale <= own ? own + 1 - scale : 0;
            u64 count = 1;
            for (u32 axis = 0; axis < MOST_AXES; axis++) {
                next->nodes[axis] = ((description->samples[axis] - 1) >> scale) + 1;
                count *= next->nodes[axis];
                if (count > MOST_NODES) return CORE_BAD_DESCRIPTION;
            }
            next->count = (u32)count;
            next->first = (u32)total;
            total += count;
            if (total > MOST_NODES) return CORE_BAD_DESCRIPTION;
        }
    }
    layout->integer_count = (u32)total;
    layout->levels = scales + 1;
    return CORE_FINE;
}
