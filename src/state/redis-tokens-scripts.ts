// The Lua scripts of redis-tokens.ts: a lesson is all or nothing. A token's value is "spam,ham,seen"; a lesson's is
// "label,mailbox in base64url,tokens with blanks between".

const FUNCTIONS = `
local function i(n) return string.format('%.0f', n) end
local function count(tokens, totals, label, ids, by, at)
  local n = math.max(0, tonumber(redis.call('HGET', totals, label) or '0') + by)
  redis.call('HSET', totals, label, i(n))
  for _, id in ipairs(ids) do
    local v = redis.call('HGET', tokens, id)
    local s, h, t = 0, 0, 0
    if v then s, h, t = string.match(v, '^(%d+),(%d+),(%d+)$') end
    s, h, t = tonumber(s), tonumber(h), tonumber(t)
    if label == 'spam' then s = math.max(0, s + by) else h = math.max(0, h + by) end
    if s + h == 0 then
      if v then redis.call('HDEL', tokens, id) end
    elseif v or by > 0 then
      redis.call('HSET', tokens, id, i(s) .. ',' .. i(h) .. ',' .. i(math.max(t, at)))
    end
  end
end
local function words(text)
  local list = {}
  for word in string.gmatch(text, '%S+') do list[#list + 1] = word end
  return list
end
-- Where is the first of these lessons, and what does it hold?
local function known(prefix, names)
  for _, name in ipairs(names) do
    local v = redis.call('GET', prefix .. name)
    if v then
      local label, mailbox, kept = string.match(v, '^(%a+),([^,]*),(.*)$')
      return name, label, mailbox, kept
    end
  end
end
local function take(k, name, label, mailbox, kept, otherwise)
  local ids = otherwise
  if mailbox ~= '' then ids = words(kept) end
  count(k[1], k[2], label, ids, -1, 0)
  redis.call('DEL', k[3] .. name)
  if mailbox ~= '' then
    redis.call('ZREM', k[4] .. mailbox, name)
    if redis.call('EXISTS', k[4] .. mailbox) == 0 then redis.call('ZREM', k[5], mailbox) end
  end
end
`;

/**
 * KEYS: tokens, totals, the prefixes of lessons and of mailboxes, the list of mailboxes; all of one cluster slot.
 * ARGV: label, when, mailbox, timid or "", remember ms, now, lesson names, tokens.
 */
export const LEARN = `${FUNCTIONS}
local label, at, mailbox, timid, remember, now = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local names, ids = words(ARGV[7]), words(ARGV[8])
local name, before, whose, kept = known(KEYS[3], names)
if name then
  if before == label or timid ~= '' then return 'known' end
  take(KEYS, name, before, whose, kept, ids)
end
count(KEYS[1], KEYS[2], label, ids, 1, at)
local value = label .. ',' .. mailbox .. ','
if mailbox ~= '' then value = value .. ARGV[8] end
redis.call('SET', KEYS[3] .. names[1], value, 'PX', i(remember))
if mailbox ~= '' then
  local list = KEYS[4] .. mailbox
  redis.call('ZREMRANGEBYSCORE', list, '-inf', i(now))
  redis.call('ZADD', list, i(now + remember), names[1])
  redis.call('PEXPIRE', list, i(remember))
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', i(now))
  redis.call('ZADD', KEYS[5], i(now + remember), mailbox)
end
return name and 'relearned' or 'learned'
`;

/** KEYS as for LEARN. ARGV: lesson names, tokens. Returns the label. */
export const FORGET = `${FUNCTIONS}
local name, label, mailbox, kept = known(KEYS[3], words(ARGV[1]))
if not name then return '' end
take(KEYS, name, label, mailbox, kept, words(ARGV[2]))
return label
`;

/** KEYS as for LEARN. ARGV: mailbox, most. Returns the number of lessons that were found. */
export const FORGET_MAILBOX = `${FUNCTIONS}
local list = KEYS[4] .. ARGV[1]
local names = redis.call('ZRANGE', list, 0, tonumber(ARGV[2]) - 1)
local found = 0
for _, name in ipairs(names) do
  local there, label, mailbox, kept = known(KEYS[3], { name })
  if there and mailbox == ARGV[1] then
    take(KEYS, name, label, mailbox, kept, {})
    found = found + 1
  else
    redis.call('ZREM', list, name)
  end
end
if redis.call('EXISTS', list) == 0 then redis.call('ZREM', KEYS[5], ARGV[1]) end
return found
`;

/** KEYS: tokens. ARGV: when, tokens. */
export const TOUCH = `${FUNCTIONS}
for _, id in ipairs(words(ARGV[2])) do
  local v = redis.call('HGET', KEYS[1], id)
  if v then
    local counts, t = string.match(v, '^(%d+,%d+),(%d+)$')
    if tonumber(t) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], id, counts .. ',' .. ARGV[1]) end
  end
end
`;

/** KEYS: tokens. ARGV: a time, tokens that were of no use since. Returns how many are gone. */
export const EXPIRE = `${FUNCTIONS}
local gone = 0
for _, id in ipairs(words(ARGV[2])) do
  local v = redis.call('HGET', KEYS[1], id)
  if v and tonumber(string.match(v, '(%d+)$')) < tonumber(ARGV[1]) then gone = gone + redis.call('HDEL', KEYS[1], id) end
end
return gone
`;
