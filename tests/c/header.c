/* The header stands alone, may be included twice, and its initialiser gives a decision of this header's size. */
#include "tenantry.h"
#include "tenantry.h"

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

#include <stdio.h>
#include <string.h>

int main(void)
{
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    const char *parts =
        TEXT(TENANTRY_VERSION_MAJOR) "." TEXT(TENANTRY_VERSION_MINOR) "." TEXT(TENANTRY_VERSION_PATCH);
    if (decision.struct_size != sizeof decision || decision.limit[0] != '\0') return 1;
    if (strcmp(tenantry_version(), TENANTRY_VERSION) != 0 || strcmp(parts, TENANTRY_VERSION) != 0) return 2;
    if (strcmp(tenantry_catalogue_hash(), TENANTRY_CATALOGUE_HASH) != 0) {
        fprintf(stderr, "the header was made for another catalogue: run `cargo xtask codegen`\n");
        return 3;
    }
    return 0;
}
