-- 42_search_each_word_once: a long text of few words is no longer too long to be searched.

-- The type measures what it is cast from before it merges equal words, so each word is given to it once,
-- with all its places. The documents are the same as before: nothing stored has to be computed anew.
CREATE OR REPLACE FUNCTION public.search_document(variadic parts text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  -- A word written with ZWNJ is indexed apart and joined, so that both spellings find it. Words carry
  -- places, for rank; the type knows none after 16383. Each word once: it measures before it merges.
  SELECT coalesce(string_agg(quote_literal(word) || ':' || places, ' '), '')::tsvector
  FROM (
    SELECT left(cut, 200) AS word, string_agg(least(n, 16383)::text, ',' ORDER BY n) AS places
    FROM string_to_table(
      coalesce(public.search_words(array_to_string(parts, ' ')), '') || ' ' ||
      coalesce((
        SELECT string_agg(public.search_words(replace(spelled, E'\u200C', '')), ' ')
        FROM regexp_split_to_table(array_to_string(parts, ' '), '\s+') AS spelled
        WHERE strpos(spelled, E'\u200C') > 0
      ), ''), ' ') WITH ORDINALITY AS words(cut, n)
    WHERE cut <> ''
    GROUP BY 1
  ) AS each_once
$$;
COMMENT ON FUNCTION public.search_document(text[]) IS 'The tsvector of texts: the words of search_words, each up to its 200th character, with places. Depends on no setting, so it is immutable.';
