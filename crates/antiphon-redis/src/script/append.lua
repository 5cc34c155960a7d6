-- Appends the events of several channels of one shard, if the caller still owns it.
--
-- KEYS: shard, notices, channels; then for each append: events, extent, event ids.
-- ARGV: incarnation, epoch, owner, least counter, notices kept, ids kept, number of appends; then for each append:
-- channel, number of events; then for each event: kind, event id, number of the event that it is known to repeat, JSON.
-- Answers {'superseded'|'missing'|'behind', …} or {'taken', for each append: {'taken', …} | {'differs', …} | {'failed', …}}.
local shard = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'owner', 'counter')
if not (shard[1] and shard[2] and shard[3] and shard[4]) then return {'missing'} end
if shard[1] ~= ARGV[1] or shard[2] ~= ARGV[2] or shard[3] ~= ARGV[3] then return {'superseded', shard[1], shard[2], shard[4]} end
local counter = tonumber(shard[4])
if counter < tonumber(ARGV[4]) then return {'behind', shard[1], shard[2], shard[4]} end

local time = redis.call('TIME')
local at = string.format('%d%03d', time[1], math.floor(time[2] / 1000))
local function text(number) return string.format('%.0f', number) end

local answers = {'taken'}
local first_counter, moved, order = counter + 1, {}, {}
local argument = 8
for append = 1, tonumber(ARGV[7]) do
  local events, extent, ids = KEYS[1 + append * 3], KEYS[2 + append * 3], KEYS[3 + append * 3]
  local channel, count = ARGV[argument], tonumber(ARGV[argument + 1])
  local base = argument + 2
  argument = base + count * 4

  -- What is said again, or not.
  local had, answer, fresh = {}, nil, count
  for place = 0, count - 1 do
    local id = ARGV[base + place * 4 + 1]
    local known = id ~= '' and redis.call('ZSCORE', ids, id)
    local entry = known and redis.call('XRANGE', events, known, known)[1]
    if entry then
      local fields = entry[2]
      if fields[2] ~= ARGV[base + place * 4 + 3] and known ~= ARGV[base + place * 4 + 2] then
        answer = {'differs', place, known, fields[2]}
        break
      end
      had[#had + 1] = place
      had[#had + 1] = known
      for field = 5, 9, 2 do had[#had + 1] = fields[field + 1] end
      had['at' .. place] = true
      fresh = fresh - 1
    end
  end

  local place_of = redis.call('HMGET', extent, 'number', 'bytes', 'start')
  local last, bytes, start = tonumber(place_of[1] or 0), tonumber(place_of[2] or 0), tonumber(place_of[3] or 0)
  local first = last + 1
  if not answer and fresh > 0 then
    counter = counter + 1
    local address, index, had_ids = text(counter), 0, false
    for place = 0, count - 1 do
      if not had['at' .. place] then
        local argument_of = base + place * 4
        local json, id = ARGV[argument_of + 3], ARGV[argument_of + 1]
        local added = redis.pcall('XADD', events, text(last + 1) .. '-0', 'event', json, 'kind', ARGV[argument_of],
          'epoch', ARGV[2], 'address', address, 'index', index, 'at', at)
        if type(added) == 'table' and added.err then
          if index > 0 then return redis.error_reply(added.err) end
          answer = {'failed', added.err}
          break
        end
        last, index, bytes = last + 1, index + 1, bytes + #json
        if id ~= '' then
          redis.call('ZADD', ids, text(last), id)
          had_ids = true
        end
      end
    end
    if answer then
      counter = counter - 1
    else
      redis.call('HSET', extent, 'number', text(last), 'epoch', ARGV[2], 'address', address, 'index', index - 1, 'bytes', text(bytes))
      if not place_of[1] then redis.call('SADD', KEYS[3], channel) end
      if had_ids then
        local over = redis.call('ZCARD', ids) - tonumber(ARGV[6])
        if over > 0 then redis.call('ZREMRANGEBYRANK', ids, 0, over - 1) end
      end
      if moved[channel] then
        moved[channel][2] = last
      else
        moved[channel] = {first, last}
        order[#order + 1] = channel
      end
    end
  end
  if not answer then
    answer = {'taken', text(counter), text(first), text(last - start), text(bytes)}
    for item = 1, #had do answer[#answer + 1] = had[item] end
  end
  answers[#answers + 1] = answer
end

if #order > 0 then
  redis.call('HSET', KEYS[1], 'counter', text(counter))
  local notice = {':from', text(first_counter), ':epoch', ARGV[2]}
  for _, channel in ipairs(order) do
    notice[#notice + 1] = channel
    notice[#notice + 1] = text(moved[channel][1]) .. '-' .. text(moved[channel][2])
  end
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], ARGV[1] .. '-' .. text(counter), unpack(notice))
end
return answers
