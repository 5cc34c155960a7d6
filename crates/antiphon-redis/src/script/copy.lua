-- Adds copies of another log's events, under ids made of their numbers. What is there already, or comes late, is left out.
--
-- KEYS: notices; then for each event: its channel's copies.
-- ARGV: writer, notices kept, copies kept of a channel, whether some were left out before ('1'), how long they are kept in
-- seconds; then for each event: channel, incarnation, number, epoch, address,
-- index, kind, JSON.
local moved, order = {}, {}
for event = 1, #KEYS - 1 do
  local key, at = KEYS[event + 1], event * 8 - 2
  local channel, incarnation, number = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local function add()
    return redis.pcall('XADD', key, 'MAXLEN', '~', ARGV[3], number .. '-0', 'event', ARGV[at + 7], 'kind', ARGV[at + 6],
      'epoch', ARGV[at + 3], 'address', ARGV[at + 4], 'index', ARGV[at + 5], 'incarnation', incarnation)
  end
  local added = add()
  if type(added) == 'table' and added.err then
    -- Numbers begin anew in another log.
    local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    if not last or tonumber(last[2][12]) < tonumber(incarnation) then
      redis.call('DEL', key)
      if moved[channel] then moved[channel] = {number, number} end
      added = add()
    end
  end
  if type(added) ~= 'table' then
    if moved[channel] then
      moved[channel][2] = number
    else
      moved[channel] = {number, number}
      order[#order + 1] = channel
      redis.call('EXPIRE', key, ARGV[5])
    end
  end
end
if #order > 0 or ARGV[4] == '1' then
  local notice = {':writer', ARGV[1]}
  if ARGV[4] == '1' then
    notice[3], notice[4] = ':left_out', '1'
  end
  for _, channel in ipairs(order) do
    notice[#notice + 1] = channel
    notice[#notice + 1] = moved[channel][1] .. '-' .. moved[channel][2]
  end
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(notice))
end
return #order
