// SPDX-License-Identifier: GPL-2.0
/* What a runtime tells of a container: its state, and annotations. Of text only. */
#include <json-c/json.h>

#include "oci.h"

void oci_state_free(struct oci_state *s)
{
	free(s->id);
	free(s->status);
	free(s->bundle);
	free(s->group);
	bc_settings_free(&s->settings);
	memset(s, 0, sizeof(*s));
}

bool oci_wants_group(const struct oci_state *s)
{
	return s->group || s->settings.n;
}

/* An object, and nothing behind it. NULL, or what is wrong. */
static char *parse_object(const char *text, size_t len, struct json_object **obj)
{
	struct json_tokener *tok = json_tokener_new();
	enum json_tokener_error err;
	char *wrong = NULL;
	size_t end;

	*obj = NULL;
	if (!tok || len > INT_MAX) {
		if (tok)
			json_tokener_free(tok);
		return format("it is too large");
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	*obj = json_tokener_parse_ex(tok, text, len);
	err = json_tokener_get_error(tok);
	end = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);
	while (end < len && strchr(" \t\r\n", text[end]) && text[end])
		end++;
	if (err == json_tokener_continue)
		wrong = format("it is no JSON: it ends in the middle");
	else if (err != json_tokener_success)
		wrong = format("it is no JSON: %s, at byte %zu", json_tokener_error_desc(err), end);
	else if (end != len)
		wrong = format("it is no JSON: something follows, at byte %zu", end);
	else if (!json_object_is_type(*obj, json_type_object))
		wrong = format("it is no object");
	if (wrong) {
		json_object_put(*obj);
		*obj = NULL;
	}
	return wrong;
}

/* A text without NUL. NULL, or what is wrong. */
static char *take_text(struct json_object *val, const char *name, char **text)
{
	if (!json_object_is_type(val, json_type_string))
		return format("'%s' is no text", name);
	if (strlen(json_object_get_string(val)) != (size_t)json_object_get_string_len(val))
		return format("there is a NUL byte in '%s'", name);
	free(*text);
	*text = format("%s", json_object_get_string(val));
	return NULL;
}

static char *take_annotation(struct oci_state *s, const char *key, struct json_object *val)
{
	const char *name = key + strlen(OCI_PREFIX);
	char *text = NULL, *wrong;

	if (!strcmp(name, "group"))
		return take_text(val, key, &s->group);
	if (!name[0])
		return format("'%s' names no resource", key);
	wrong = take_text(val, key, &text);
	if (!wrong && bc_settings_add(&s->settings, name, text))
		wrong = format("out of memory");
	free(text);
	return wrong;
}

static char *take_annotations(struct json_object *obj, struct oci_state *s)
{
	struct json_object *all;
	char *wrong = NULL;

	if (!json_object_object_get_ex(obj, "annotations", &all) || !all)
		return NULL;
	if (!json_object_is_type(all, json_type_object))
		return format("'annotations' is no object");
	s->annotated = true;
	json_object_object_foreach(all, key, val) {
		if (!wrong && !strncmp(key, OCI_PREFIX, strlen(OCI_PREFIX)))
			wrong = take_annotation(s, key, val);
	}
	return wrong;
}

/* May be there. */
static char *take_member(struct json_object *obj, const char *name, char **text)
{
	struct json_object *val;

	if (!json_object_object_get_ex(obj, name, &val))
		return NULL;
	return take_text(val, name, text);
}

static char *take_pid(struct json_object *obj, pid_t *pid)
{
	struct json_object *val;
	long long number;

	if (!json_object_object_get_ex(obj, "pid", &val))
		return NULL;
	number = json_object_get_int64(val);
	if (!json_object_is_type(val, json_type_int) || number < 0 || number > INT_MAX)
		return format("'pid' is no process");
	*pid = number;
	return NULL;
}

char *oci_parse_state(const char *text, size_t len, struct oci_state *s)
{
	struct json_object *obj;
	char *wrong;

	memset(s, 0, sizeof(*s));
	wrong = parse_object(text, len, &obj);
	wrong = wrong ?: take_member(obj, "id", &s->id);
	wrong = wrong ?: take_member(obj, "status", &s->status);
	wrong = wrong ?: take_member(obj, "bundle", &s->bundle);
	wrong = wrong ?: take_pid(obj, &s->pid);
	wrong = wrong ?: take_annotations(obj, s);
	if (!wrong && (!s->id || !s->id[0]))
		wrong = format("it has no 'id'");
	json_object_put(obj);
	return wrong;
}

char *oci_parse_config(const char *text, size_t len, struct oci_state *s)
{
	struct json_object *obj;
	char *wrong;

	wrong = parse_object(text, len, &obj);
	wrong = wrong ?: take_annotations(obj, s);
	json_object_put(obj);
	return wrong;
}
