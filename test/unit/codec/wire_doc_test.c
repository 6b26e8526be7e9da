/* wire_doc_test.c - docs/wire-format.md shows each type as the encoder writes it.
 *
 * Meaning    The examples in the document are lines of their own. `wire_doc_test --print` prints what they
 *            have to be. The document is found from the top of the tree, where make runs tests, or by
 *            PX_DOCS. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/wire.h"

#include "codec/hex.h"
#include "exact.h"
#include "wire_examples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* The document, zero-terminated; the caller frees it. */
static char *read_document(void)
{
    const char *const folder = getenv("PX_DOCS");
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/wire-format.md", folder ? folder : "docs");
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size_bytes = ftell(file);
    assert_true(size_bytes > 0);
    rewind(file);
    char *const text = calloc(1, (size_t)size_bytes + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size_bytes, file), (size_t)size_bytes);
    (void)fclose(file);
    return text;
}

/* The example of a type as a line of text. */
static char *example_line(uint32_t place)
{
    const px_wire wire = wire_example(place);
    size_t size_bytes;
    uint8_t *const bytes = wire_line(&wire, &size_bytes);
    char *const line = calloc(1, size_bytes + 3);
    px_assert(line);
    line[0] = '\n';
    memcpy(line + 1, bytes, size_bytes);
    line[size_bytes + 1] = '\n';
    free(bytes);
    return line;
}

/* The hashes of a slot of the example of `sync`, as a line of text. */
static void hash_line(uint32_t place, char line[128])
{
    const px_wire wire = wire_example(PX_MESSAGE_SYNC - 1);
    size_t size_bytes;
    uint8_t *const bytes = wire_line(&wire, &size_bytes);
    px_wire read;
    px_assert(wire_decode_copy(bytes, size_bytes, &read) == PX_OK);
    const px_entry *const entry = &read.core.log.entries[place];
    char body[PX_HEX_HASH_BYTES + 1] = {0}, chain[PX_HEX_HASH_BYTES + 1] = {0};
    px_hex_put_hash(entry->body_hash, (uint8_t *)body);
    px_hex_put_hash(entry->chain, (uint8_t *)chain);
    (void)snprintf(line, 128, "\n    slot %u: body %s, chain %s\n", (unsigned)entry->slot, body, chain);
    free(bytes);
}

static void document__shows_every_type_as_it_is_written(void **state)
{
    (void)state;
    char *const document = read_document();
    for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
        char *const line = example_line(place);
        if (!strstr(document, line)) print_error("the document lacks this line:%s", line);
        assert_non_null(strstr(document, line));
        free(line);
    }
    free(document);
}

static void document__shows_the_hashes_of_its_slots(void **state)
{
    (void)state;
    char *const document = read_document();
    for (uint32_t place = 0; place < 2; place++) {
        char line[128];
        hash_line(place, line);
        if (!strstr(document, line)) print_error("the document lacks this line:%s", line);
        assert_non_null(strstr(document, line));
    }
    free(document);
}

/* Whatever looks like a message in the document can be read. */
static void document__shows_nothing_that_would_be_refused(void **state)
{
    (void)state;
    char *const document = read_document();
    uint32_t count = 0;
    for (char *line = strtok(document, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "{\"to\":", 6) != 0 && strncmp(line, "{\"type\":", 8) != 0) continue;
        assert_false(wire_is_refused(line));
        count++;
    }
    assert_true(count >= WIRE_EXAMPLES);
    free(document);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        for (uint32_t place = 0; place < WIRE_EXAMPLES; place++) {
            char *const line = example_line(place);
            (void)fputs(line + 1, stdout);
            free(line);
        }
        for (uint32_t place = 0; place < 2; place++) {
            char line[128];
            hash_line(place, line);
            (void)fputs(line + 1, stdout);
        }
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(document__shows_every_type_as_it_is_written),
        cmocka_unit_test(document__shows_the_hashes_of_its_slots),
        cmocka_unit_test(document__shows_nothing_that_would_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
