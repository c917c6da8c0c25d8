import * as tenantry from './handles.cjs'

export * from './handles.cjs'
export default tenantry
