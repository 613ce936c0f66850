-- 38_search_words: what is indexed is cut into words as what is asked for is, at spaces and nowhere else.

-- The parser of PostgreSQL takes the beginning of "70e5f47" for a number with an exponent and cuts there,
-- and drops signs such as emoji: whoever typed such a word found nothing.
CREATE OR REPLACE FUNCTION public.search_document(variadic parts text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  -- A word written with ZWNJ is indexed apart and joined, so that both spellings find it. Words carry
  -- places, for rank; the type knows none after 16383.
  SELECT coalesce(string_agg(quote_literal(left(word, 200)) || ':' || least(n, 16383), ' '), '')::tsvector
  FROM string_to_table(
    coalesce(public.search_words(array_to_string(parts, ' ')), '') || ' ' ||
    coalesce((
      SELECT string_agg(public.search_words(replace(word, E'\u200C', '')), ' ')
      FROM regexp_split_to_table(array_to_string(parts, ' '), '\s+') AS word
      WHERE strpos(word, E'\u200C') > 0
    ), ''), ' ') WITH ORDINALITY AS words(word, n)
  WHERE word <> ''
$$;
COMMENT ON FUNCTION public.search_document(text[]) IS 'The tsvector of texts: the words of search_words, each up to its 200th character, with places. Depends on no setting, so it is immutable.';

CREATE OR REPLACE FUNCTION public.search_query(value text, prefix boolean DEFAULT true) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$
  -- Every word must occur; of a word with ZWNJ the joined spelling will do as well. Only quoted words
  -- without punctuation reach the cast, none longer than in a document (one character may unfold to
  -- many), so no input is a syntax error.
  SELECT string_agg('(' || apart || coalesce(' | ' || joined, '') || ')', ' & ' ORDER BY n)::tsquery
  FROM (
    SELECT n,
      (SELECT '(' || string_agg(quote_literal(left(part, 200)) || CASE WHEN prefix THEN ':*' ELSE '' END, ' & ') || ')'
       FROM string_to_table(public.search_words(word), ' ') AS part WHERE part <> '') AS apart,
      CASE WHEN strpos(word, E'\u200C') > 0 THEN
        quote_literal(left(replace(public.search_words(replace(word, E'\u200C', '')), ' ', ''), 200))
          || CASE WHEN prefix THEN ':*' ELSE '' END END AS joined
    FROM regexp_split_to_table(left(value, 200), '\s+') WITH ORDINALITY AS words(word, n)
  ) AS alternatives
  WHERE apart IS NOT NULL
$$;

-- What is stored was computed in the old way. A generated column is computed anew where a column that
-- it reads is written; neither policies nor triggers (append-only, updated_at) have a say in that, and
-- nobody else sees the table meanwhile.
DO $do$
DECLARE
  stored record;
BEGIN
  FOR stored IN
    SELECT a.attrelid::regclass AS relation, a.attname AS name, pg_get_expr(d.adbin, d.adrelid) AS expression,
      c.relforcerowsecurity AS forced, (
        SELECT base.attname FROM pg_depend b
        JOIN pg_attribute base ON base.attrelid = a.attrelid AND base.attnum = b.refobjsubid
        WHERE b.classid = 'pg_attrdef'::regclass AND b.objid = d.oid AND b.refobjid = a.attrelid
          AND b.refobjsubid <> a.attnum
        ORDER BY b.refobjsubid LIMIT 1
      ) AS read
    FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attgenerated = 's' AND NOT a.attisdropped AND EXISTS (
      SELECT FROM pg_depend p WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
        AND p.refobjid = 'public.search_document(text[])'::regprocedure)
  LOOP
    EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', stored.relation);
    EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', stored.relation);
    EXECUTE format('UPDATE %1$s SET %2$I = %2$I WHERE %3$I IS DISTINCT FROM (%4$s)',
      stored.relation, stored.read, stored.name, stored.expression);
    EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', stored.relation);
    IF stored.forced THEN
      EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', stored.relation);
    END IF;
  END LOOP;
END
$do$;
REINDEX INDEX identity.users_search;
